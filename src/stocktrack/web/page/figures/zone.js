// The clock on the wall of an exchange, for charts: what time and day it is there, and how both are written.

const QUARTER_MS = 900_000;
const DAY_MS = 86_400_000;
const PARTS = { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" };
const CLOCK = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const DAY = { day: "numeric", month: "short" };

const clocks = new Map();

/** The clock of a zone by its IANA name; that of UTC where the browser does not know the name. */
export function zoneClock(name) {
  let clock = clocks.get(name);
  if (!clock) {
    clock = new ZoneClock(isKnown(name) ? name : "UTC");
    clocks.set(name, clock);
  }
  return clock;
}

class ZoneClock {
  #zone;
  #parts;
  #offsets = new Map();
  #formats = new Map();

  constructor(zone) {
    this.#zone = zone;
    this.#parts = new Intl.DateTimeFormat("en-US", { ...PARTS, timeZone: zone, hourCycle: "h23" });
  }

  /** Whose time it is: "New York time", "UTC". */
  get said() {
    const city = this.#zone.split("/").slice(1).at(-1);
    return city && !this.#zone.startsWith("Etc/") ? `${city.replaceAll("_", " ")} time` : this.#zone;
  }

  /** What the clock shows at a time, as milliseconds that UTC would show it at. */
  wallMs(ms) {
    // No zone changes its clocks but at a quarter of an hour.
    const quarter = Math.floor(ms / QUARTER_MS);
    let offset = this.#offsets.get(quarter);
    if (offset === undefined) {
      offset = this.#offsetMs(quarter * QUARTER_MS);
      this.#offsets.set(quarter, offset);
    }
    return ms + offset;
  }

  /** The number of the day that a time lies in there, counted from 1970. */
  dayNumber(ms) {
    return Math.floor(this.wallMs(ms) / DAY_MS);
  }

  /** "09:30" */
  time(ms) {
    return this.#write("time", CLOCK, ms);
  }

  /** "Fri 27 Nov" */
  weekday(ms) {
    return this.#write("weekday", { weekday: "short", ...DAY }, ms);
  }

  /** "27 Nov" */
  shortDay(ms) {
    return this.#write("short day", DAY, ms);
  }

  /** "27 Nov 2026" */
  day(ms) {
    return this.#write("day", { ...DAY, year: "numeric" }, ms);
  }

  /** "Nov 2026" */
  monthAndYear(ms) {
    return this.#write("month and year", { month: "short", year: "numeric" }, ms);
  }

  /** "Nov" */
  month(ms) {
    return this.#write("month", { month: "short" }, ms);
  }

  /** "2026" */
  year(ms) {
    return this.#write("year", { year: "numeric" }, ms);
  }

  #write(name, options, ms) {
    let format = this.#formats.get(name);
    if (!format) {
      format = new Intl.DateTimeFormat(undefined, { ...options, timeZone: this.#zone });
      this.#formats.set(name, format);
    }
    return format.format(ms);
  }

  #offsetMs(ms) {
    const found = {};
    for (const { type, value } of this.#parts.formatToParts(ms)) found[type] = Number(value);
    return Date.UTC(found.year, found.month - 1, found.day, found.hour, found.minute, found.second) - ms;
  }
}

function isKnown(name) {
  try {
    return Boolean(new Intl.DateTimeFormat("en-US", { timeZone: name }));
  } catch {
    return false;
  }
}
