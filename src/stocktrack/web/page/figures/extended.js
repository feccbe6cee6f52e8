// The price before or after the regular hours: whether there is one to show, and in which words.

const WORDS = { pre: ["pre", "before hours"], post: ["post", "after hours"], closed: ["post", "after hours"] };

/**
 * What to show of it after `quote` has come: {word, said, price, change, percent, at}, or undefined. `before` is what was
 * shown until now: at night a PRICE says nothing of it, and the last one stands until the market begins its next day.
 */
export function extendedAfter(quote, before) {
  const { market_state: state, extended_price: price, extended_time: at } = quote;
  if (state === "open") return undefined;
  if (price === undefined) {
    const isSilent = quote.type === "PRICE" && state !== "pre" && state !== "post";
    return isSilent && before && !isOlder(before.at, quote.timestamp) ? before : undefined;
  }
  if (isOlder(at, quote.timestamp)) return undefined;
  const [word, said] = WORDS[state] ?? ["ext", "outside hours"];
  return { word, said, price, change: quote.extended_change, percent: quote.extended_change_percent, at };
}

/** 1 where it is above the regular price, -1 where it is below, 0 else and where there is none. */
export function extendedSign(extended) {
  return Math.sign(extended?.change ?? extended?.percent ?? 0);
}

/** Whether it is of the hours before the regular price. */
function isOlder(at, timestamp) {
  return at !== undefined && timestamp !== undefined && at < timestamp;
}
