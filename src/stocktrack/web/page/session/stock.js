// One stock on the board: its newest price, what is known of it, and its history. Prices go from here to the views
// without passing through components: two thousand of them may come in a second.

import { shownDigits } from "../figures/digits.js";
import { extendedAfter } from "../figures/extended.js";
import { History } from "../figures/history.js";
import { repaint } from "../base/painter.js";

export class Stock {
  /** The newest PRICE, or quote; undefined until there is one. */
  quote;
  /** What comes with a whole quote only: name, exchange, the day's figures. */
  details = {};
  /** Why there is no price: a reason of the protocol, or "pending"; `told` is what the server says of it, if anything. */
  missing;
  told;
  /** The price before or after the regular hours, where there is one to show (extended.js). */
  extended;
  history = new History();
  /** The decimals that all its prices are shown with. */
  digits = 2;
  /** 1 when the last change was up, -1 when it was down, 0 before one; `changes` counts them. */
  direction = 0;
  changes = 0;
  /** The day's prices (price-bars.js), once they were asked for; until then `history` is all there is. */
  day;
  /** What shows it: the row, and the panel where it is chosen. */
  views = new Set();
  /** What notes each of its prices, also while nobody looks: the day's bars, and those of a chart. */
  followers = new Set();

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
    this.digits = shownDigits(quote);
    this.extended = extendedAfter(quote, this.extended);
    // A stale price is nothing new: it is drawn only where there is no other to begin with.
    if (!quote.stale || this.history.length === 0) this.history.add(quote.received_at, quote.price);
    for (const follower of this.followers) follower.take(quote);
    this.changed();
  }

  /** The price of the last close before today's, where it is known. */
  get previousClose() {
    const { quote } = this;
    // The change is that of this moment, the whole quote is some seconds old.
    return quote?.change === undefined ? this.details.previous_close : quote.price - quote.change;
  }

  /** Show the day's prices from now on. */
  showDay(bars) {
    this.followers.delete(this.day);
    this.day = bars;
    this.followers.add(bars);
    this.changed();
  }

  /** Take a whole quote, with what a PRICE does not carry. */
  takeWhole(quote) {
    this.details = quote;
    if (this.quote === undefined || quote.seq >= this.quote.seq) this.take(quote);
    else this.changed();
  }

  /** There is no price, and why: a reason, and the server's sentence where the reason alone does not say it. */
  lack(reason, message) {
    if (this.quote === undefined) {
      this.missing = reason;
      this.told = message;
    }
    this.changed();
  }

  changed() {
    for (const view of this.views) repaint(view);
  }
}
