// Writes the figures of the chosen stock into the panel, as row-view.js does in a row.

import * as format from "./format.js";
import { flash } from "./painter.js";
import { serverNow } from "./state.js";

/** Writes one stock's figures into the parts of the panel. */
export class PanelView {
  isSeen = true;
  #stock;
  #parts = {};
  #changes;

  constructor(stock, element) {
    this.#stock = stock;
    this.#changes = stock.changes;
    this.element = element;
    for (const part of element.querySelectorAll("[data-part]")) this.#parts[part.dataset.part] = part;
  }

  paint() {
    const { quote, details, digits } = this.#stock;
    this.#write("name", details.name ?? "");
    this.#write("exchange", details.exchange ?? "");
    if (!quote) return;
    this.#write("price", format.price(quote.price, digits));
    this.#write("currency", quote.currency ?? "");
    this.#write("change", quote.change === undefined ? "" : format.signed(quote.change, digits));
    this.#write("percent", quote.change_percent === undefined ? "" : `(${format.percent(quote.change_percent)})`);
    const sign = Math.sign(quote.change ?? 0);
    this.element.classList.toggle("up", sign > 0);
    this.element.classList.toggle("down", sign < 0);
    this.element.classList.toggle("stale", quote.stale);
    this.element.dataset.market = quote.market_state;
    this.#write("market", format.marketState(quote.market_state));
    this.#write("why", quote.stale ? format.staleReason(quote.stale_reason) : "");
    this.#write("open", format.price(details.open, digits));
    this.#write("previous_close", format.price(details.previous_close, digits));
    // The whole quote is some seconds old; the price may have left its range since.
    this.#write("high", format.price(details.high === undefined ? undefined : Math.max(details.high, quote.price), digits));
    this.#write("low", format.price(details.low === undefined ? undefined : Math.min(details.low, quote.price), digits));
    this.#write("bid", format.price(quote.bid, digits));
    this.#write("ask", format.price(quote.ask, digits));
    this.#write("volume", format.volume(quote));
    if (this.#stock.changes !== this.#changes) {
      this.#changes = this.#stock.changes;
      flash(this.#parts.price, this.#stock.direction);
    }
  }

  tick() {
    const at = this.#stock.pricedAt;
    const { quote } = this.#stock;
    if (!quote) return;
    const delay = this.#stock.details.delay_seconds ? ` · delayed ${Math.round(this.#stock.details.delay_seconds / 60)} min` : "";
    const age = at === undefined ? "" : format.age(serverNow() - at, at);
    this.#write("age", `${[age, quote.provider].filter(Boolean).join(" · ")}${delay}`);
    this.#parts.age.title = at === undefined ? "" : format.dateAndTime(at);
  }

  #write(part, text) {
    const element = this.#parts[part];
    if (element.textContent !== text) element.textContent = text;
  }
}
