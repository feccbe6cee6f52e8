// One stock on the board: its newest price, what is known of it, and its history. Prices go from here to the views
// without passing through components: two thousand of them may come in a second.

import * as format from "./format.js";
import { History } from "./history.js";
import { repaint } from "./painter.js";

export class Stock {
  /** The newest PRICE, or quote; undefined until there is one. */
  quote;
  /** What comes with a whole quote only: name, exchange, the day's figures. */
  details = {};
  /** Why there is no price: a reason of the protocol, or "pending". */
  missing;
  history = new History();
  digits = 2;
  /** 1 when the last change was up, -1 when it was down, 0 before one; `changes` counts them. */
  direction = 0;
  changes = 0;
  /** What shows it: the row, and the panel where it is chosen. */
  views = new Set();

  constructor(symbol) {
    this.symbol = symbol;
  }

  get name() {
    return this.details.name ?? "";
  }

  /** The market's time of the price; undefined where the source does not tell it. */
  get pricedAt() {
    return this.quote?.timestamp;
  }

  /** Take a PRICE, or a whole quote. */
  take(quote) {
    const before = this.quote?.price;
    if (before !== undefined && quote.price !== before) {
      this.direction = quote.price > before ? 1 : -1;
      this.changes += 1;
    }
    this.quote = quote;
    this.missing = undefined;
    const digits = format.decimals(quote.price);
    if (digits > this.digits) this.digits = digits;
    // A stale price is nothing new: it is drawn only where there is no other to begin with.
    if (!quote.stale || this.history.length === 0) this.history.add(quote.received_at, quote.price);
    this.changed();
  }

  /** Take a whole quote, with what a PRICE does not carry. */
  takeWhole(quote) {
    this.details = quote;
    // Pence and cents everywhere, but no decimals for what nobody quotes with them (the yen, most indices of Asia).
    if (this.quote === undefined && quote.price >= 1_000 && !hasDecimals(quote)) this.digits = 0;
    for (const figure of [quote.previous_close, quote.bid, quote.ask]) {
      if (figure !== undefined) this.digits = Math.max(this.digits, Math.min(4, format.decimals(figure)));
    }
    if (this.quote === undefined || quote.seq >= this.quote.seq) this.take(quote);
    else this.changed();
  }

  /** There is no price, and why. */
  lack(reason) {
    if (this.quote === undefined) this.missing = reason;
    this.changed();
  }

  changed() {
    for (const view of this.views) repaint(view);
  }
}

function hasDecimals(quote) {
  return [quote.price, quote.previous_close, quote.bid, quote.ask, quote.open].some((figure) => figure % 1);
}
