// Brings the bars that a chart shows, and says what there is to show meanwhile and instead.

import { everySecond } from "../base/painter.js";
import { askBars, isWithoutPast } from "../session/past.js";
import { PriceBars } from "../session/price-bars.js";
import { Failure } from "../session/wire.js";

// What is quicker than this needs no word about loading, which would only flicker.
const QUIET_MS = 150;
// A source has the first bar of a new day some time after its first price.
const AGAIN_AFTER_MS = 60_000;

/**
 * Ask for the bars of a question (ranges.js), and once more when the market has begun another day. `tell` is given what
 * there is to show: {kind: "loading"}, {kind: "bars", priceBars, staleReason, provider}, {kind: "session"} where only the prices
 * since the page was opened are known, {kind: "daily"} where a day has one price, {kind: "empty", message}, or
 * {kind: "failed", message}. The returned function ends it; a late answer is not told any more.
 */
export function loadBars(stock, question, tell) {
  let isWanted = true;
  let priceBars = null;
  let askedAt = 0;
  let isUnderWay = false;
  let again = 0;

  const load = async () => {
    isUnderWay = true;
    askedAt = performance.now();
    const loading = setTimeout(() => priceBars ?? tell({ kind: "loading" }), QUIET_MS);
    try {
      const reply = await askBars(stock.symbol, question, { isWanted: () => isWanted, isForChart: true });
      if (isWanted && reply) take(reply);
    } catch (error) {
      if (isWanted && error instanceof Failure) fail(error);
    } finally {
      clearTimeout(loading);
      isUnderWay = false;
    }
  };

  const take = (reply) => {
    stock.followers.delete(priceBars);
    if (!reply.bars.length) {
      tell({ kind: "empty", message: `There are no past prices of ${stock.symbol} in this range.` });
    } else if (question.range === "1d" && reply.interval === "1d") {
      tell({ kind: "daily" });
    } else {
      priceBars = new PriceBars(reply, { quote: stock.quote, hasExtended: question.prepost });
      stock.followers.add(priceBars);
      tell({ kind: "bars", priceBars, staleReason: reply.stale ? (reply.stale_reason ?? "provider_error") : undefined, provider: reply.provider });
    }
  };

  const fail = (error) => {
    if (isWithoutPast(error)) {
      tell({ kind: "session" });
    } else if (error.code === 400 || error.code === 404) {
      tell({ kind: "empty", message: error.message });
    } else {
      tell({ kind: "failed", message: error.message });
      if (error.retryAfterMs) again = setTimeout(load, error.retryAfterMs);
    }
  };

  const stopLooking = everySecond(() => {
    if (priceBars?.isOutdated && !isUnderWay && performance.now() - askedAt >= AGAIN_AFTER_MS) load();
  });

  load();
  return () => {
    isWanted = false;
    clearTimeout(again);
    stopLooking();
    stock.followers.delete(priceBars);
  };
}
