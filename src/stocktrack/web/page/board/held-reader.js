// Reads what the person holds while a column of the board shows it: at once, and then once a minute.

import { effect } from "../base/html.js";
import { everySecond } from "../base/painter.js";
import { ask } from "../session/asking.js";
import { isOnline, phase, stocks } from "../session/state.js";
import { held } from "./held.js";
import { shown } from "./layout.js";

const AGAIN_AFTER_MS = 60_000;

let askedAt = -Infinity;
let isBusy = false;

/** Ask again soon, because the person may have changed it. */
export function renewHeld() {
  askedAt = -Infinity;
}

effect(() => {
  // Another connection, or another person.
  if (phase.value === "login") held.value = new Map();
  if (isOnline.value) renewHeld();
});

everySecond(() => {
  const now = performance.now();
  if (isBusy || !isOnline.value || now - askedAt < AGAIN_AFTER_MS || !shown.value.columns.some((column) => column.needs === "holdings")) return;
  askedAt = now;
  read();
});

async function read() {
  isBusy = true;
  try {
    const reply = await ask("HOLDINGS", {});
    const holdings = [...reply.holdings];
    for (let page = reply; page.more && page.lots.length; ) {
      const last = page.lots.at(-1);
      page = await ask("HOLDINGS", { after: last.symbol, after_lot: last.lot });
      holdings.push(...page.holdings);
    }
    held.value = new Map(holdings.map((holding) => [holding.symbol, holding]));
    for (const stock of stocks.value.values()) stock.changed();
  } catch {
    // The columns stay as they are, and a minute later it is asked again; the view of the holdings says what is wrong.
  } finally {
    isBusy = false;
  }
}
