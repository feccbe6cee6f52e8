// Bars for the tests of the charts: a New York Friday, and as many bars as a test wants.

/** Friday, 27 November 2026, 9:30 in New York. */
export const OPENS = Date.parse("2026-11-27T14:30Z");
export const MINUTE = 60_000;
export const DAY = 86_400_000;

/** The bar at a time, with that close. */
export function bar(time, close, fields = {}) {
  return { time, open: close, high: close + 1, low: close - 1, close, volume: 10, ...fields };
}

/** A reply to HISTORY with bars of these closes, five minutes each from the opening on. */
export function aReply(closes, fields = {}) {
  const bars = closes.map((close, place) => bar(OPENS + place * 5 * MINUTE, close));
  return { symbol: "AAPL", interval: "5m", timezone: "America/New_York", bars, ...fields };
}

/** A price of the open market, so many milliseconds after its opening. */
export function aPrice(price, afterMs, fields = {}) {
  const at = OPENS + afterMs;
  return { type: "PRICE", symbol: "AAPL", price, market_state: "open", timestamp: at, received_at: at, stale: false, seq: 1, ...fields };
}
