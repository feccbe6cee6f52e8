// The times of bars as lightweight-charts takes them, and their labels by the clock of the exchange.
//
// The library thinks in UTC, in seconds, each later than the one before: a bar gets the time that the exchange's clock
// shows, as if that were UTC. Where clocks are set back an hour comes twice: its second pass is squeezed in behind the
// first. Every label asks the bar itself for its time, so that it is right there too.

const DAY_SECONDS = 86_400;

/** The times of `priceBars` (price-bars.js), also of the bars that are added later. */
export class ChartTimes {
  #priceBars;
  #times = [];
  #places = new Map();

  constructor(priceBars) {
    this.#priceBars = priceBars;
  }

  /** The time of the bar at a place; those before it must have been asked for, or be there already. */
  at(place) {
    for (let next = this.#times.length; next <= place; next += 1) {
      const { clock, isIntraday, bars } = this.#priceBars;
      const wall = Math.floor(clock.wallMs(bars[next].time) / 1000);
      const wanted = isIntraday ? wall : Math.floor(wall / DAY_SECONDS) * DAY_SECONDS;
      const time = next === 0 ? wanted : Math.max(wanted, this.#times[next - 1] + 1);
      this.#times.push(time);
      this.#places.set(time, next);
    }
    return this.#times[place];
  }

  /** The place of the bar that has such a time; null where none has it. */
  placeOf(time) {
    return this.#places.get(time) ?? null;
  }

  /** What stands at a mark of the axis; `types` is the library's TickMarkType. */
  tickLabel(time, type, types) {
    const { clock } = this.#priceBars;
    const ms = this.#realMs(time);
    if (ms === null) return "";
    if (type === types.Year) return clock.year(ms);
    if (type === types.Month) return clock.month(ms);
    if (type === types.DayOfMonth) return clock.shortDay(ms);
    return clock.time(ms);
  }

  /** The time of a bar in full, as far as its bars are that fine. */
  label(time) {
    const ms = this.#realMs(time);
    return ms === null ? "" : timeOfBar(this.#priceBars, ms);
  }

  #realMs(time) {
    const place = this.placeOf(time);
    return place === null ? null : this.#priceBars.bars[place].time;
  }
}

/** When a bar begins, in words: "Fri 27 Nov 15:58", "27 Nov 2026", "Nov 2026". */
export function timeOfBar({ clock, interval, isIntraday }, ms) {
  if (isIntraday) return `${clock.weekday(ms)} ${clock.time(ms)}`;
  return interval === "1mo" ? clock.monthAndYear(ms) : clock.day(ms);
}
