// Asks for past prices: page after page where they do not fit on a line, and in longer bars where a source does not go
// back so far with short ones.

import { ask } from "./asking.js";
import { Failure } from "./wire.js";

const NOT_THERE = new Set(["unknown_command", "not_offered", "not_permitted"]);

let underWay = 0;

/** Whether a chart waits for its bars: what nobody waits for should let it go first. */
export function isChartWaiting() {
  return underWay > 0;
}

/**
 * The reply to HISTORY of a question (ranges.js), with the bars of all pages; null where `isWanted` has become false in
 * the meantime. A Failure or Disconnected says why there is none: of several `range_limit` the first, for what was wanted.
 */
export async function askBars(symbol, { range, intervals, prepost, most = Infinity }, { isWanted = () => true, isForChart = false } = {}) {
  if (isForChart) underWay += 1;
  let refusal = null;
  try {
    for (const [place, interval] of intervals.entries()) {
      try {
        const reply = await allPages(symbol, { range, interval, prepost }, isWanted);
        // A market that is open day and night has more bars than there is room for.
        if (!(reply?.bars.length > most && place + 1 < intervals.length)) return reply;
      } catch (error) {
        if (!(error instanceof Failure) || error.reason !== "range_limit") throw error;
        refusal ??= error;
      }
      if (!isWanted()) return null;
    }
    throw refusal;
  } finally {
    if (isForChart) underWay -= 1;
  }
}

/** Whether the failure says that there will never be past prices here: an older server, another source, a guest. */
export function isWithoutPast(error) {
  return error instanceof Failure && NOT_THERE.has(error.reason);
}

async function allPages(symbol, { range, interval, prepost }, isWanted) {
  const fields = { symbol, interval, ...(prepost ? { prepost } : {}) };
  const reply = await ask("HISTORY", { ...fields, range });
  let page = reply;
  const bars = [...reply.bars];
  while (page.more && page.bars.length) {
    if (!isWanted()) return null;
    page = await ask("HISTORY", { ...fields, start: page.bars.at(-1).time + 1 });
    for (const bar of page.bars) bars.push(bar);
  }
  return isWanted() ? { ...reply, bars, stale: page.stale, stale_reason: page.stale_reason } : null;
}
