// Writes the figures of one stock into the cells of its row: only what has changed, because prices come all the time.

import { extendedSign } from "./extended.js";
import * as format from "./format.js";
import { flash } from "./painter.js";
import { draw, lineOf, prepare } from "./sparkline.js";
import { serverNow } from "./state.js";

/** Writes one stock's figures into the cells of its row. */
export class RowView {
  isSeen = true;
  #stock;
  #row;
  #cells = {};
  #texts = {};
  #context;
  #changes;
  #drawn = "";
  #hasExtended = false;

  constructor(stock, row) {
    this.#stock = stock;
    this.#row = row;
    this.#changes = stock.changes;
    for (const cell of row.querySelectorAll("[data-part]")) {
      this.#cells[cell.dataset.part] = cell;
      // Its own text node, changed in place: `textContent` would make a new one for each price.
      if (cell.tagName !== "CANVAS") this.#texts[cell.dataset.part] = cell.appendChild(document.createTextNode(""));
    }
    this.#context = prepare(this.#cells.trend);
  }

  show(isSeen) {
    this.isSeen = isSeen;
    if (isSeen) {
      this.paint();
      this.tick();
    }
  }

  paint() {
    const { quote, details, digits } = this.#stock;
    this.#write("name", details.name ?? details.exchange ?? "");
    this.#row.classList.toggle("empty", quote === undefined);
    if (quote === undefined) {
      this.#write("price", this.#stock.missing ? format.NOTHING : "…");
      const why = this.#stock.missing ? format.lackReason(this.#stock.missing, this.#stock.told) : "";
      this.#write("why", why);
      // A sentence of the server is longer than the cell.
      this.#cells.why.title = why;
      return;
    }
    this.#write("price", format.price(quote.price, digits));
    this.#write("currency", quote.currency ?? "");
    this.#write("change", format.signed(quote.change, digits));
    this.#write("percent", format.percent(quote.change_percent));
    this.#write("volume", format.volume(quote));
    this.#write("market", format.marketState(quote.market_state));
    const sign = Math.sign(quote.change ?? 0);
    setClass(this.#row, "up", sign > 0);
    setClass(this.#row, "down", sign < 0);
    setClass(this.#row, "stale", quote.stale);
    if (this.#row.dataset.market !== quote.market_state) this.#row.dataset.market = quote.market_state;
    this.#write("why", quote.stale ? format.staleReason(quote.stale_reason) : "");
    if (this.#cells.why.title) this.#cells.why.title = "";
    this.#writeExtended(digits);
    if (this.#stock.changes !== this.#changes) {
      this.#changes = this.#stock.changes;
      flash(this.#cells.price, this.#stock.direction);
    }
    // A price that has just come has its age at once, and not after up to a second.
    this.#writeAge();
  }

  tick() {
    this.#writeAge();
    const line = lineOf(this.#stock);
    if (line.key !== this.#drawn) {
      this.#drawn = line.key;
      draw(this.#context, line);
    }
  }

  redraw() {
    this.#drawn = "";
    if (this.isSeen) this.tick();
  }

  #writeExtended(digits) {
    const { extended } = this.#stock;
    if (extended === undefined && !this.#hasExtended) return;
    this.#hasExtended = extended !== undefined;
    setClass(this.#row, "has-extended", extended !== undefined);
    setClass(this.#row, "extended-up", extendedSign(extended) > 0);
    setClass(this.#row, "extended-down", extendedSign(extended) < 0);
    this.#write("session", extended?.word ?? "");
    this.#write("session_said", extended?.said ?? "");
    this.#write("extended", extended ? format.price(extended.price, digits) : "");
    this.#write("extended_percent", extended ? format.moved(extended, digits) : "");
  }

  #writeAge() {
    const at = this.#stock.pricedAt;
    this.#write("age", at === undefined ? format.NOTHING : format.age(serverNow() - at, at));
  }

  #write(part, text) {
    const node = this.#texts[part];
    if (node.data !== text) node.data = text;
  }
}

/** Switch a class of `element`, without a write where it is as it should be. */
export function setClass(element, name, isOn) {
  if (element.classList.contains(name) !== isOn) element.classList.toggle(name, isOn);
}
