// Writes the figures of the chosen stock into the panel, as row-view.js does in a row.

import { extendedSign } from "../figures/extended.js";
import * as format from "../figures/format.js";
import { flash } from "../base/painter.js";
import { serverNow } from "../session/state.js";

// "12,345.67": two figures of such prices do not stand beside each other.
const LONG_PRICE = 9;

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
    const name = details.name ?? "";
    this.#write("name", name);
    if (this.#parts.name.title !== name) this.#parts.name.title = name;
    this.#write("exchange", details.exchange ?? "");
    this.#write("lack", quote === undefined && this.#stock.missing ? format.lackReason(this.#stock.missing, this.#stock.told) : "");
    if (!quote) return;
    const price = format.price(quote.price, digits);
    this.#write("price", price);
    this.element.classList.toggle("has-long-prices", price.length >= LONG_PRICE);
    this.#write("currency", quote.currency ?? "");
    this.#write("change", quote.change === undefined ? "" : format.signed(quote.change, digits));
    this.#write("percent", quote.change_percent === undefined ? "" : `(${format.percent(quote.change_percent)})`);
    const sign = Math.sign(quote.change ?? 0);
    this.element.classList.toggle("up", sign > 0);
    this.element.classList.toggle("down", sign < 0);
    this.element.classList.toggle("stale", quote.stale);
    this.element.dataset.market = quote.market_state;
    this.#write("market", format.marketState(quote.market_state));
    this.#write("why", quote.stale ? format.staleReason(quote.stale_reason, quote.provider) : "");
    this.#write("open", format.price(details.open, digits));
    this.#write("previous_close", format.price(details.previous_close, digits));
    // The whole quote is some seconds old; the price may have left its range since.
    this.#write("high", format.price(details.high === undefined ? undefined : Math.max(details.high, quote.price), digits));
    this.#write("low", format.price(details.low === undefined ? undefined : Math.min(details.low, quote.price), digits));
    this.#write("bid", format.price(quote.bid, digits));
    this.#write("ask", format.price(quote.ask, digits));
    this.#write("volume", format.volume(quote));
    this.#writeExtended(digits);
    this.#writeYear(quote, details, digits);
    this.element.classList.toggle("has-market-cap", details.market_cap !== undefined);
    this.#write("market_cap", format.money(details.market_cap, details.market_cap_currency));
    this.element.classList.toggle("has-pe", details.trailing_pe !== undefined);
    this.#write("trailing_pe", format.price(details.trailing_pe, 2));
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
    const { at: extendedAt } = this.#stock.extended ?? {};
    this.#write("extended_age", extendedAt === undefined ? "" : format.age(serverNow() - extendedAt, extendedAt));
  }

  #writeExtended(digits) {
    const { extended } = this.#stock;
    const sign = extendedSign(extended);
    this.element.classList.toggle("has-extended", extended !== undefined);
    this.element.classList.toggle("extended-up", sign > 0);
    this.element.classList.toggle("extended-down", sign < 0);
    if (!extended) return;
    this.#write("session", extended.said[0].toUpperCase() + extended.said.slice(1));
    this.#write("extended", format.price(extended.price, digits));
    this.#write("extended_change", extended.change === undefined ? "" : format.signed(extended.change, digits));
    this.#write("extended_percent", extended.percent === undefined ? "" : `(${format.percent(extended.percent)})`);
  }

  /** The lowest and the highest price of a year, and where between them the price is. */
  #writeYear(quote, details, digits) {
    const { fifty_two_week_low: lowest, fifty_two_week_high: highest } = details;
    const isKnown = lowest !== undefined && highest !== undefined;
    this.element.classList.toggle("has-year", isKnown);
    if (!isKnown) return;
    const low = Math.min(lowest, quote.price);
    const high = Math.max(highest, quote.price);
    const percent = high > low ? Math.round(((quote.price - low) / (high - low)) * 100) : 50;
    this.#write("year_low", format.price(low, digits));
    this.#write("year_high", format.price(high, digits));
    this.#write("year_said", `; the price is at ${percent}% of the way`);
    this.#parts.year_mark.style.setProperty("--at", `${percent}%`);
  }

  #write(part, text) {
    const element = this.#parts[part];
    if (element.textContent !== text) element.textContent = text;
  }
}
