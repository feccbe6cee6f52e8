// Numbers, times and reasons in words, as the board and the panel show them.

const formats = new Map();

function numberFormat(digits, sign) {
  const key = digits * 2 + (sign ? 1 : 0);
  let format = formats.get(key);
  if (!format) {
    format = new Intl.NumberFormat(undefined, {
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
      signDisplay: sign ? "exceptZero" : "auto",
    });
    formats.set(key, format);
  }
  return format;
}

const compactFormat = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 2 });
// Without "PM", which a chart's axis has no room for.
const timeFormat = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const shortTimeFormat = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const dayFormat = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const shortDayFormat = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short" });
const dayAndTimeFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export const NOTHING = "–";
// Two clocks that agree within a minute say the same.
const MOST_SKEW_MS = 60_000;

export function price(value, digits) {
  return value === undefined ? NOTHING : numberFormat(digits, false).format(value);
}

export function signed(value, digits) {
  return value === undefined ? NOTHING : numberFormat(digits, true).format(value);
}

export function percent(value) {
  return value === undefined ? NOTHING : `${numberFormat(2, true).format(value)} %`;
}

/** How far a price outside the hours is from the regular one: in percent, or else in its currency. */
export function moved({ change, percent: percentage }, digits) {
  if (percentage !== undefined) return percent(percentage);
  return change === undefined ? "" : signed(change, digits);
}

export function compact(value) {
  return value === undefined ? NOTHING : compactFormat.format(value);
}

/** A sum in a currency, short. */
export function money(amount, currency) {
  return amount === undefined || !currency ? compact(amount) : `${compact(amount)} ${currency}`;
}

/** What was traded: pieces, or money where the quote says so, as with a coin. */
export function volume({ volume: traded, volume_currency: currency }) {
  return money(traded, currency);
}

/** "3 s ago", from an age in milliseconds; `at` is the time itself, which is told where it is to come. */
export function age(ms, at) {
  if (ms <= -MOST_SKEW_MS) return dateAndTime(at);
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 1) return "now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ago`;
  return dayFormat.format(at);
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
    parts.push(`${word} ${own === before ? "" : `${shortDayFormat.format(at)} `}${shortClockTime(at)}`);
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

const STALE_REASONS = {
  provider_error: "source failed",
  provider_timeout: "source is silent",
  provider_blocked: "source refuses us",
  rate_limited: "asked too often",
  storage_error: "database failed",
  internal_error: "server error",
};

/** Why a price is stale, in two or three words. */
export function staleReason(reason) {
  return STALE_REASONS[reason] ?? "no fresh price";
}

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
