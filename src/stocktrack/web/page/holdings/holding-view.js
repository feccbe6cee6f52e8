// Writes what a holding is worth into its row, at each new price, and the sums of all of them into the last row.

import { priceDigits } from "../figures/digits.js";
import * as format from "../figures/format.js";
import { costOf, dayPercent, gainPercent, moneyDigits, standing, totalsOf, weightOf } from "./holding-sums.js";
import { repaint } from "../base/painter.js";
import { setClass } from "../board/row-view.js";
import { typed } from "../figures/typed-numbers.js";

/** All rows of one answer of the server, and their sums. `tellNews` is called when only the server can go on. */
export class Sheet {
  isSeen = true;
  rows = new Map();
  #reply;
  #lots = new Map();
  #element = null;
  #write = null;
  #tellNews;
  #why;

  constructor(reply, tellNews) {
    this.#reply = reply;
    this.#tellNews = tellNews;
    this.#why = new Map(reply.missing.map(({ symbol, message, reason }) => [symbol, message ?? reason]));
    for (const lot of reply.lots) this.#lots.set(lot.symbol, [...(this.#lots.get(lot.symbol) ?? []), lot]);
    for (const holding of reply.holdings) {
      const lots = this.#lots.get(holding.symbol) ?? [];
      this.rows.set(holding.symbol, new Row(this, holding, costOf(lots)));
    }
  }

  get currency() {
    return this.#reply.currency;
  }

  lotsOf(symbol) {
    return this.#lots.get(symbol) ?? [];
  }

  whyOf(symbol) {
    return this.#why.get(symbol);
  }

  get totals() {
    return totalsOf([...this.rows.values()].map((row) => row.standing));
  }

  /** Write the sums into `element` from now on. */
  show(element) {
    this.#element = element;
    this.#write = element && writer(element);
    this.paint();
  }

  /** A price has changed. */
  changed(row) {
    if (row.holding.price === undefined && row.stock?.quote) this.#tellNews();
    repaint(this);
  }

  paint() {
    if (!this.#element) return;
    const { totals, currency } = this;
    const digits = moneyDigits(currency);
    const write = this.#write;
    if (totals.isEmpty) {
      for (const part of ["cost", "value", "day", "day_percent", "gain", "gain_percent"]) write(part, part.includes("_") ? "" : format.NOTHING);
      return;
    }
    write("cost", format.price(totals.cost.rounded(digits), digits));
    write("value", format.price(totals.value.rounded(digits), digits));
    write("day", format.signed(totals.dayChange?.rounded(digits), digits));
    write("day_percent", format.percent(dayPercent(totals)));
    write("gain", format.signed(totals.gain.rounded(digits), digits));
    write("gain_percent", totals.cost.sign > 0 ? format.percent(totals.gain.percentOf(totals.cost)) : "");
    mark(this.#element, "day", totals.dayChange);
    mark(this.#element, "gain", totals.gain);
  }

  /** The weights, which change with every price of any other: once a second is often enough. */
  tick() {
    const { totals } = this;
    for (const row of this.rows.values()) row.weigh(totals);
  }
}

/** One holding in its row. It is one of the views of its stock (stock.js). */
class Row {
  isSeen = true;
  stock = null;
  #sheet;
  #cost;
  #element = null;
  #write = null;
  #isRateStale = false;

  constructor(sheet, holding, cost) {
    this.#sheet = sheet;
    this.holding = holding;
    this.#cost = cost;
  }

  /** What it is worth now; without a newer price it is what the server said. */
  get standing() {
    return standing(this.holding, this.#cost, this.stock?.quote);
  }

  get isStale() {
    return this.#isRateStale || (this.stock?.quote ? this.stock.quote.stale : Boolean(this.holding.stale));
  }

  /** Write into `element`, at the prices of `stock`, from now on; the returned function ends it. */
  show(element, stock) {
    this.#element = element;
    this.#write = writer(element);
    this.stock = stock ?? null;
    // Where the price is fresh and the whole is stale, it is the rate.
    this.#isRateStale = Boolean(this.holding.stale && stock?.quote && !stock.quote.stale);
    stock?.views.add(this);
    this.paint();
    return () => {
      stock?.views.delete(this);
      this.#element = null;
    };
  }

  paint() {
    this.#sheet.changed(this);
    if (!this.#element) return;
    const { holding } = this;
    const now = this.standing;
    const own = moneyDigits(holding.currency);
    const total = moneyDigits(this.#sheet.currency);
    const write = this.#write;
    write("name", holding.name ?? this.stock?.name ?? "");
    write("quantity", typed(holding.quantity));
    write("unit_cost", holding.unit_cost === undefined ? format.NOTHING : format.price(holding.unit_cost, priceDigits(holding.unit_cost)));
    write("price", now.price === undefined ? format.NOTHING : format.price(now.price, this.stock?.quote ? this.stock.digits : priceDigits(now.price)));
    write("currency", holding.currency ?? "");
    write("value", format.price(now.value?.rounded(own), own));
    const isOther = holding.currency !== this.#sheet.currency && now.converted;
    write("converted", isOther ? `${format.price(now.converted.value.rounded(total), total)} ${this.#sheet.currency}` : "");
    write("day", format.signed(now.dayChange?.rounded(own), own));
    write("day_percent", holding.quantity === 0 ? "" : format.percent(dayPercent(now)));
    write("gain", format.signed(now.gain?.rounded(own), own));
    const gained = gainPercent(now, holding.quantity);
    write("gain_percent", gained === undefined ? "" : format.percent(gained));
    mark(this.#element, "day", now.dayChange);
    mark(this.#element, "gain", now.gain);
    setClass(this.#element, "stale", this.isStale);
  }

  weigh(totals) {
    if (!this.#element) return;
    const weight = weightOf(this.standing, totals);
    this.#write("weight", format.share(weight));
  }

  tick() {}
}

/** Writes into the parts of `element`, only what has changed. */
function writer(element) {
  const parts = new Map([...element.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
  return (part, text) => {
    const cell = parts.get(part);
    // The panel shows fewer of them than the table.
    if (cell && cell.textContent !== text) cell.textContent = text;
  };
}

function mark(element, name, amount) {
  setClass(element, `${name}-up`, amount?.sign > 0);
  setClass(element, `${name}-down`, amount?.sign < 0);
}
