// Past prices of one symbol as bars, and how the prices that are pushed carry them on. It knows no screen and no server.

import { zoneClock } from "../figures/zone.js";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const LENGTHS_MS = {
  "1m": MINUTE_MS, "2m": 2 * MINUTE_MS, "5m": 5 * MINUTE_MS, "15m": 15 * MINUTE_MS, "30m": 30 * MINUTE_MS, "1h": 60 * MINUTE_MS,
  "1d": DAY_MS, "1wk": 7 * DAY_MS, "1mo": 31 * DAY_MS,
};
// The first of January of 1970 was a Thursday.
const MONDAY = 4;
// A market's time so far ahead of ours is a mistake.
const MOST_AHEAD_MS = 60_000;

/** The bars of a HISTORY reply; they change only at their end. */
export class PriceBars {
  /** {time, open, high, low, close, volume, market_state} each, the oldest first; never none. */
  bars;
  interval;
  clock;
  hasExtended;
  /** Goes up with each change. */
  version = 0;
  /** Whether the market has begun another day since: then its bars are no longer those of the range. */
  isOutdated = false;
  #lengthMs;
  #traded;

  /** `quote` is the newest price; `hasExtended`, whether the hours before and after the regular ones belong to it. */
  constructor({ bars, interval, timezone }, { quote, hasExtended = false } = {}) {
    this.bars = ascending(bars);
    this.interval = interval;
    this.clock = zoneClock(timezone);
    this.hasExtended = hasExtended;
    this.#lengthMs = LENGTHS_MS[interval] ?? DAY_MS;
    this.#traded = quote?.volume;
    if (quote) this.take(quote);
  }

  get length() {
    return this.bars.length;
  }

  get first() {
    return this.bars[0];
  }

  get last() {
    return this.bars[this.bars.length - 1];
  }

  get isIntraday() {
    return this.#lengthMs < DAY_MS;
  }

  /** Whether some bar tells how much was traded. */
  get hasVolume() {
    return this.bars.some(({ volume }) => volume > 0);
  }

  /** Carry the last bar on with a PRICE or a whole quote, or begin the next one. */
  take(quote) {
    const traded = this.#tradedSince(quote);
    const trade = this.#tradeOf(quote);
    if (!trade) return;
    const { last } = this;
    if (trade.time < last.time) return;
    if (this.#isOfLast(trade.time)) {
      if (trade.price === last.close && !traded) return;
      last.close = trade.price;
      last.high = Math.max(last.high, trade.price);
      last.low = Math.min(last.low, trade.price);
      if (traded) last.volume = (last.volume ?? 0) + traded;
    } else if (this.isIntraday && this.clock.dayNumber(trade.time) !== this.clock.dayNumber(last.time)) {
      this.isOutdated = true;
      return;
    } else {
      const { price } = trade;
      this.bars.push({ time: this.#startOf(trade.time), open: price, high: price, low: price, close: price, volume: traded, market_state: trade.state });
    }
    this.version += 1;
  }

  /** When and at which price there was a trade that belongs here; null where the market rests, or nothing is known of it. */
  #tradeOf(quote) {
    const { market_state: state, received_at: received } = quote;
    if (quote.stale) return null;
    if (state === "pre" || state === "post") {
      if (!this.hasExtended || quote.extended_price === undefined) return null;
      return { time: notAhead(quote.extended_time, received), price: quote.extended_price, state };
    }
    if (state === "closed") return null;
    // Where nobody says whether the market is open, a price that stands still is no trade.
    if (state !== "open" && quote.timestamp === undefined && quote.price === this.last.close) return null;
    return { time: notAhead(quote.timestamp, received), price: quote.price };
  }

  /** How much was traded since the quote before; undefined where that is not counted. */
  #tradedSince(quote) {
    const before = this.#traded;
    if (quote.volume === undefined) return undefined;
    this.#traded = quote.volume;
    // It begins anew with the market's day.
    return before === undefined || quote.volume < before ? undefined : quote.volume - before;
  }

  #isOfLast(time) {
    const { time: start } = this.last;
    if (this.isIntraday) return time < start + this.#lengthMs;
    return this.#turnOf(time) === this.#turnOf(start);
  }

  /** Where the bar begins that `time` lies in, on a day on which there are bars already where bars are short. */
  #startOf(time) {
    if (!this.isIntraday) return time;
    // Some sources count their hours from the opening, so that it goes on as it was.
    return time - ((time - this.last.time) % this.#lengthMs);
  }

  /** The number of the day, the week or the month that `time` lies in. */
  #turnOf(time) {
    const day = this.clock.dayNumber(time);
    if (this.interval === "1d") return day;
    if (this.interval === "1wk") return Math.floor((day - MONDAY) / 7);
    const date = new Date(this.clock.wallMs(time));
    return date.getUTCFullYear() * 12 + date.getUTCMonth();
  }
}

function notAhead(time, received) {
  return time === undefined || time > received + MOST_AHEAD_MS ? received : time;
}

/** `bars` without those that do not go on in time: a chart can't draw them. Each a copy, because the last one will change. */
function ascending(bars) {
  let before = -Infinity;
  return bars.filter(({ time }) => {
    const goesOn = time > before;
    if (goesOn) before = time;
    return goesOn;
  }).map((bar) => ({ ...bar }));
}
