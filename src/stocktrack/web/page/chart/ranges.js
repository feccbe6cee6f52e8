// The choices over the chart: how far back it goes, in bars of which length, as a line or as candles. What a person has
// chosen is kept in this browser.

import { effect, signal } from "../base/html.js";
import { recall, remember } from "../base/keeping.js";

const KEY = "stocktrack.chart";

/**
 * The ranges, with the lengths of bars that each is asked for in: the next one where a source does not go back so far
 * with those before it. Candles need more room than points of a line; so do the hours before and after the regular ones.
 */
export const RANGES = [
  { key: "1d", label: "1D", said: "1 day", line: ["2m", "5m", "15m", "1h", "1d"], candles: ["5m", "15m", "1h", "1d"], extended: { line: ["5m", "15m"], candles: ["15m"] } },
  { key: "5d", label: "5D", said: "5 days", line: ["15m", "30m", "1h", "1d"], candles: ["30m", "1h", "1d"] },
  { key: "1mo", label: "1M", said: "1 month", line: ["30m", "1h", "1d"], candles: ["1d"] },
  { key: "6mo", label: "6M", said: "6 months", line: ["1d", "1wk"], candles: ["1d", "1wk"] },
  { key: "ytd", label: "YTD", said: "this year", line: ["1d", "1wk"], candles: ["1d", "1wk"] },
  { key: "1y", label: "1Y", said: "1 year", line: ["1d", "1wk"], candles: ["1wk", "1mo"] },
  { key: "5y", label: "5Y", said: "5 years", line: ["1wk", "1mo"], candles: ["1mo"] },
  { key: "max", label: "Max", said: "all that there is", line: ["1mo"], candles: ["1mo"] },
];

// More of them in the panel's width are no candles any more.
const MOST_CANDLES = 160;
const DEFAULT = { range: "1d", isCandles: false, hasExtended: false };

/** What is chosen: {range, isCandles, hasExtended}; `range` is the key of one of them. */
export const choice = signal(remembered());

effect(() => remember(KEY, JSON.stringify(choice.value)));

/** Choose something else; what is not named stays. */
export function choose(changes) {
  choice.value = { ...choice.value, ...changes };
}

/** The range of a key. */
export function rangeOf(key) {
  return RANGES.find((range) => range.key === key);
}

/**
 * What to ask for: {range, intervals, prepost, most}, of which the first interval is the one that is wanted; where there
 * are more than `most` bars, the next one is better.
 */
export function questionOf({ range: key, isCandles, hasExtended }) {
  const range = rangeOf(key);
  const prepost = hasExtended && range.extended !== undefined;
  const lengths = prepost ? range.extended : range;
  const regular = range[isCandles ? "candles" : "line"];
  const intervals = prepost ? [...new Set([...lengths[isCandles ? "candles" : "line"], ...regular.slice(-2)])] : regular;
  return { range: key, intervals, prepost, most: isCandles ? MOST_CANDLES : undefined };
}

/** The key of the range `step` places on, round and round. */
export function rangeAfter(key, step) {
  const place = RANGES.findIndex((range) => range.key === key);
  return RANGES[(place + step + RANGES.length) % RANGES.length].key;
}

const WORDS = { "1m": "1-minute", "2m": "2-minute", "5m": "5-minute", "15m": "15-minute", "30m": "30-minute", "1h": "hourly", "1d": "daily", "1wk": "weekly", "1mo": "monthly" };

/** "2-minute bars", of an interval. */
export function barsSaid(interval) {
  return `${WORDS[interval] ?? interval} bars`;
}

function remembered() {
  try {
    const { range, isCandles, hasExtended } = JSON.parse(recall(KEY)) ?? {};
    return {
      range: rangeOf(range) ? range : DEFAULT.range,
      isCandles: isCandles === true,
      hasExtended: hasExtended === true,
    };
  } catch {
    // Whatever else is there was not written by this page.
    return { ...DEFAULT };
  }
}
