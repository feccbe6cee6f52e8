// Numbers, times and reasons in words, as the board and the panel show them.

import { isolated, unmarked } from "./directions.js";

const formats = new Map();

function numberFormat(digits, sign) {
  const key = digits * 2 + (sign ? 1 : 0);
  let format = formats.get(key);
  if (!format) {
    format = new Intl.NumberFormat(undefined, {
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
      // What reads zero has no sign.
      signDisplay: sign ? "exceptZero" : "negative",
    });
    formats.set(key, format);
  }
  return format;
}

// It rounds the number as it is written; 100 times it may be another one.
const smallFormat = new Intl.NumberFormat(undefined, { maximumFractionDigits: 2, signDisplay: "negative" });
const wholeFormat = new Intl.NumberFormat(undefined, { maximumFractionDigits: 8 });
// Without "PM", which a chart's axis has no room for.
const timeFormat = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const shortTimeFormat = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const dayFormat = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const shortDayFormat = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short" });
const dayAndTimeFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export const NOTHING = "–";
// As wide as a plus, which a hyphen is not; some languages bring it themselves.
const MINUS = "−";
// Two clocks that agree within a minute say the same.
const MOST_SKEW_MS = 60_000;
const MOST_DAYS = 9_999;

export function price(value, digits) {
  return value === undefined ? NOTHING : written(value, digits, false);
}

export function signed(value, digits) {
  return value === undefined ? NOTHING : written(value, digits, true);
}

/** "+0.64%", as in the terminal (one_format.json holds the two together). */
export function percent(value) {
  return value === undefined ? NOTHING : `${written(value, 2, true)}%`;
}

/** A part of a whole in percent, which has no sign: "31.40%". */
export function share(value) {
  return value === undefined ? NOTHING : `${written(value, 2, false)}%`;
}

function written(value, digits, isSigned) {
  return withMinus(value, numberFormat(digits, isSigned).format(value));
}

function withMinus(value, text) {
  return unmarked(value < 0 ? text.replace("-", MINUS) : text);
}

/** How far a price outside the hours is from the regular one: in percent, or else in its currency. */
export function moved({ change, percent: percentage }, digits) {
  if (percentage !== undefined) return percent(percentage);
  return change === undefined ? "" : signed(change, digits);
}

// The letters of all languages alike: in British English the browser's own are "m" and "bn".
const UNITS = ["", "K", "M", "B", "T"];
// Three digits: from these on what is rounded has one more before its point.
const TWO_DECIMALS = 9.995;
const ONE_DECIMAL = 99.95;
const NEXT_UNIT = 999.5;

/** Three digits of a large number: "950", "12.3K", "58.1M", "1.24B", "3.98T". */
export function compact(value) {
  if (value === undefined) return NOTHING;
  let place = 0;
  let left = value;
  while (Math.abs(left) >= NEXT_UNIT && place < UNITS.length - 1) {
    place += 1;
    left = value / 1_000 ** place;
  }
  if (place === 0) return withMinus(value, smallFormat.format(value));
  const size = Math.abs(left);
  return `${price(left, size < TWO_DECIMALS ? 2 : size < ONE_DECIMAL ? 1 : 0)}${UNITS[place]}`;
}

/** A number with all its digits, in the writing of this place. */
export function plainNumber(value) {
  return unmarked(wholeFormat.format(value));
}

/** A sum in a currency, short. */
export function money(amount, currency) {
  return amount === undefined || !currency ? compact(amount) : `${compact(amount)} ${currency}`;
}

/** What was traded: pieces, or money where the quote says so, as with a coin. */
export function volume({ volume: traded, volume_currency: currency }) {
  return money(traded, currency);
}

/** "3s ago", "12m ago", "4d ago", from an age in milliseconds; `at` is the time itself, which is told where it is to come. */
export function age(ms, at) {
  if (ms <= -MOST_SKEW_MS) return dateAndTime(at);
  return ms < 1_000 ? "now" : `${lasting(ms / 1_000)} ago`;
}

/** "3s", "12m", "5h", "4d": a length of time in its largest unit, from seconds. */
export function lasting(seconds) {
  if (seconds === undefined) return NOTHING;
  if (seconds < 60) return `${Math.max(0, Math.floor(seconds))}s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)}h`;
  return `${Math.min(MOST_DAYS, Math.floor(seconds / 86_400))}d`;
}

/** "in 3 s", for what is to come in so many milliseconds. */
export function inSeconds(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  return seconds === 0 ? "now" : `in ${seconds} s`;
}

export function clockTime(ms) {
  return timeFormat.format(ms);
}

export function shortClockTime(ms) {
  return shortTimeFormat.format(ms);
}

export function dateAndTime(ms) {
  return dayAndTimeFormat.format(ms);
}

/** "opens 14:30, closes 21:00 your time", with the day where it is not that of the time before it. */
export function hours(opensAt, closesAt, now) {
  const parts = [];
  let before = dayFormat.format(now);
  for (const [word, at] of [["opens", opensAt], ["closes", closesAt]]) {
    if (at === undefined) continue;
    const own = dayFormat.format(at);
    parts.push(`${word} ${own === before ? "" : `${isolated(shortDayFormat.format(at))} `}${shortClockTime(at)}`);
    before = own;
  }
  return parts.length ? `${parts.join(", ")} your time` : undefined;
}

/** A calendar day, "2024-02-09", without moving it to another time zone. */
export function day(isoDate) {
  return dayFormat.format(new Date(`${isoDate}T00:00:00`));
}

const MARKET_STATES = { open: "Open", pre: "Pre-market", post: "After hours", closed: "Closed" };

export function marketState(state) {
  return MARKET_STATES[state] ?? "";
}

// The terminal has the same words (words.py).
const STALE_REASONS = {
  provider_error: "$ fails",
  provider_timeout: "$ is silent",
  provider_blocked: "$ refuses us",
  rate_limited: "asked too often",
  storage_error: "database fails",
  internal_error: "server error",
};

/** Why a price is stale, in two or three words: "Yahoo refuses us", by the reason and the `provider` of its quote. */
export function staleReason(reason, provider) {
  const name = provider?.length > MOST_SOURCE_CHARS ? `${provider.slice(0, MOST_SOURCE_CHARS - 1)}…` : provider;
  const source = name ? name[0].toUpperCase() + name.slice(1) : "source";
  return (STALE_REASONS[reason] ?? "no fresh price").replace("$", () => source);
}

const MOST_SOURCE_CHARS = 20;

const LACK_REASONS = {
  pending: "waiting for source",
  unknown_symbol: "unknown symbol",
  not_offered: "no source for it",
};

/** Why a stock has no price at all: what the server says of it, else its reason, or "pending" while no source was asked. */
export function lackReason(reason, message) {
  return message || (LACK_REASONS[reason] ?? staleReason(reason));
}

/** Which prices an outage makes stale: all of them by name while they are few, else how many. */
export function stalePrices(symbols) {
  if (symbols.length === 0) return "A source is out.";
  if (symbols.length <= 3) return `${symbols.join(", ")}: stale.`;
  return `${symbols.length} prices are stale.`;
}

/** The address if it is one that may be linked to: http or https, and nothing else. */
export function safeLink(address) {
  if (typeof address !== "string") return undefined;
  try {
    const url = new URL(address);
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : undefined;
  } catch {
    return undefined;
  }
}

/** What a person typed, as symbols: "aapl, msft tsla". Empty where one of them cannot be a symbol. */
export function symbolsIn(text) {
  const words = text.toUpperCase().split(/[\s,;]+/).filter(Boolean);
  return words.every((word) => /^[A-Z0-9.^=\-_:/&]{1,48}$/.test(word)) ? [...new Set(words)] : [];
}
