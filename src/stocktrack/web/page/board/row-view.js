// Writes the figures of one stock into the cells of its row: only what has changed, because prices come all the time.

import { extendedSign } from "../figures/extended.js";
import * as format from "../figures/format.js";
import { flash } from "../base/painter.js";
import { serverNow } from "../session/state.js";
import { CELLS } from "./cells.js";
import { longest, noteText } from "./measure.js";
import { draw, lineOf, lineWords, prepare } from "./sparkline.js";

/** Writes one stock's figures into the cells of its row, which has those of the columns with these keys. */
export class RowView {
  isSeen = true;
  #stock;
  #row;
  #cells = {};
  #texts = {};
  #live;
  #ofDetails;
  #details = null;
  #context = null;
  #line;
  #changes;
  #drawn = "";
  #hasExtended = false;
  #write = (part, text) => {
    const node = this.#texts[part];
    if (node === undefined || node.data === text) return;
    node.data = text;
    if (text.length > (longest[part] ?? 0)) noteText(part, text);
  };

  constructor(stock, row, keys, line) {
    this.#stock = stock;
    this.#row = row;
    this.#line = line;
    this.#changes = stock.changes;
    for (const cell of row.querySelectorAll("[data-part]")) {
      this.#cells[cell.dataset.part] = cell;
      // Its own text node, changed in place: `textContent` would make a new one for each price.
      if (cell.tagName !== "CANVAS") this.#texts[cell.dataset.part] = cell.appendChild(document.createTextNode(""));
    }
    this.marks = Object.fromEntries([...row.querySelectorAll("[data-place]")].map((mark) => [mark.dataset.place, mark]));
    // The name stands there before the first price.
    const own = [...new Set([...keys, "currency"])].filter((key) => key !== "extended" && key !== "name" && CELLS[key]?.write).map((key) => CELLS[key]);
    this.#live = own.filter((cell) => !cell.isOfDetails);
    this.#ofDetails = own.filter((cell) => cell.isOfDetails);
  }

  get dataset() {
    return this.#row.dataset;
  }

  show(isSeen) {
    this.isSeen = isSeen;
    if (isSeen) {
      this.paint();
      this.tick();
    }
  }

  paint() {
    const stock = this.#stock;
    const { quote, details } = stock;
    CELLS.name.write(this.#write, stock);
    setClass(this.#row, "has-name", stock.name !== "" || details.exchange !== undefined);
    setClass(this.#row, "empty", quote === undefined);
    if (quote === undefined) {
      this.#write("price", stock.missing ? format.NOTHING : "…");
      this.#writeWhy(stock.missing ? format.lackReason(stock.missing, stock.told) : "");
      return;
    }
    for (const cell of this.#live) cell.write(this.#write, stock, this);
    if (details !== this.#details) {
      this.#details = details;
      for (const cell of this.#ofDetails) cell.write(this.#write, stock, this);
    }
    const sign = Math.sign(quote.change ?? 0);
    setClass(this.#row, "up", sign > 0);
    setClass(this.#row, "down", sign < 0);
    setClass(this.#row, "stale", quote.stale);
    if (this.#row.dataset.market !== quote.market_state) this.#row.dataset.market = quote.market_state;
    this.#writeWhy(quote.stale ? format.staleReason(quote.stale_reason, quote.provider) : "");
    if (quote.stale && !longest.stale_word) noteText("stale_word", STALE_WORD);
    this.#writeExtended();
    if (stock.changes !== this.#changes) {
      this.#changes = stock.changes;
      flash(this.#cells.price, stock.direction);
    }
    // A price that has just come has its age at once, and not after up to a second.
    this.#writeAge();
  }

  tick() {
    this.#writeAge();
    const canvas = this.#cells.trend;
    if (!canvas) return;
    const line = lineOf(this.#stock);
    if (line.key === this.#drawn) return;
    this.#drawn = line.key;
    this.#context ??= prepare(canvas, this.#line);
    draw(this.#context, line, this.#line);
    const words = lineWords(line, (price) => format.price(price, this.#stock.digits));
    this.#write("trend_said", words);
    canvas.title = words;
  }

  redraw() {
    this.#drawn = "";
    if (this.isSeen) this.tick();
  }

  /** Tell how long the texts of the row are (measure.js). */
  noteTexts() {
    for (const [part, node] of Object.entries(this.#texts)) {
      if (node.data.length >= (longest[part] ?? 0)) noteText(part, node.data);
    }
    if (this.#row.classList.contains("stale")) noteText("stale_word", STALE_WORD);
  }

  #writeExtended() {
    const { extended } = this.#stock;
    if (extended === undefined && !this.#hasExtended) return;
    this.#hasExtended = extended !== undefined;
    setClass(this.#row, "has-extended", extended !== undefined);
    setClass(this.#row, "extended-up", extendedSign(extended) > 0);
    setClass(this.#row, "extended-down", extendedSign(extended) < 0);
    CELLS.extended.write(this.#write, this.#stock);
  }

  #writeAge() {
    const at = this.#stock.pricedAt;
    this.#write("age", at === undefined ? format.NOTHING : format.age(serverNow() - at, at));
  }

  #writeWhy(why) {
    this.#write("why", why);
    // A sentence of the server is longer than the cell.
    if (this.#cells.why.title !== why) this.#cells.why.title = why;
  }
}

// With the sign before it.
const STALE_WORD = "▲ Stale";

/** Switch a class of `element`, without a write where it is as it should be. */
export function setClass(element, name, isOn) {
  if (element.classList.contains(name) !== isOn) element.classList.toggle(name, isOn);
}
