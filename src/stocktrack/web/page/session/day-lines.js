// Brings the day's prices of the rows that can be seen, for their small lines: one symbol after the other, after its first
// price, once a connection, and slower where the server or its sources ask for it.

import { effect } from "../base/html.js";
import { everySecond } from "../base/painter.js";
import { askBars, isChartWaiting, isWithoutPast } from "./past.js";
import { PriceBars } from "./price-bars.js";
import { isOnline } from "./state.js";
import { Failure } from "./wire.js";

// Some fifty points fit into a row; a day and night has twice as many.
const QUESTION = { range: "1d", intervals: ["15m"], prepost: false };
const FIRST_PAUSE_MS = 30_000;
const LONGEST_PAUSE_MS = 600_000;
// A source has the first bar of a new day some time after its first price.
const AGAIN_AFTER_MS = 60_000;
// A server lets a person cause 30 requests at once and one a second, if nobody says otherwise. The lines take less than
// half of that, so that there is enough for what the person does.
const MOST_AT_ONCE = 12;
const EVERY_MS = 2_000;

const seen = new Set();
// When each stock was asked for, by performance.now; only of the connection that there is.
let asked = new WeakMap();
let isBusy = false;
let isOffered = true;
let pausedUntil = 0;
let pauses = 0;
let room = MOST_AT_ONCE;
let roomAt = performance.now();

/** Have the day's line of `stock`, whose row can be seen now, or can be no longer. */
export function wantDayLine(stock, isSeen) {
  if (isSeen) seen.add(stock);
  else seen.delete(stock);
}

effect(() => {
  if (!isOnline.value) return;
  // What was pushed while there was no connection is missing from the lines.
  asked = new WeakMap();
  isOffered = true;
  pausedUntil = 0;
  pauses = 0;
});

everySecond(() => {
  if (!isBusy) bring();
});

async function bring() {
  isBusy = true;
  try {
    for (let stock = next(); stock; stock = next()) await bringOne(stock);
  } finally {
    isBusy = false;
  }
}

function next() {
  const now = performance.now();
  room = Math.min(MOST_AT_ONCE, room + (now - roomAt) / EVERY_MS);
  roomAt = now;
  if (room < 1 || !isOffered || !isOnline.value || document.hidden || isChartWaiting() || now < pausedUntil) return undefined;
  return [...seen].find((stock) => stock.quote && isDue(stock, now));
}

function isDue(stock, now) {
  const at = asked.get(stock);
  return at === undefined || (stock.day?.isOutdated && now - at >= AGAIN_AFTER_MS);
}

async function bringOne(stock) {
  const ofConnection = asked;
  ofConnection.set(stock, performance.now());
  room -= 1;
  try {
    const reply = await askBars(stock.symbol, QUESTION);
    pauses = 0;
    if (reply.bars.length) stock.showDay(new PriceBars(reply, { quote: stock.quote }));
  } catch (error) {
    if (!(error instanceof Failure)) return; // the next connection begins anew
    if (error.reason === "unknown_command" || error.reason === "not_permitted") isOffered = false;
    else if (error.isRetryable && !isWithoutPast(error)) {
      // Behind the others: it may be the only one that fails.
      ofConnection.delete(stock);
      if (seen.delete(stock)) seen.add(stock);
      const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(pauses, 10));
      pauses += 1;
      pausedUntil = performance.now() + Math.max(pause, error.retryAfterMs);
    }
  }
}
