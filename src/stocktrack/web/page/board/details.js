// Brings the whole quotes of the rows that can be seen, while a column shows what no push brings: all of them in one
// question, which costs no request to a source because they are watched; at most one a second, and each once a minute.

import { effect } from "../base/html.js";
import { everySecond } from "../base/painter.js";
import { refresh } from "../session/shown-list.js";
import { isOnline } from "../session/state.js";
import { shown } from "./layout.js";

const AGAIN_AFTER_MS = 60_000;
const MOST_AT_ONCE = 100;

const seen = new Set();
// When each stock was asked for, by performance.now; only of the connection that there is.
let asked = new WeakMap();
let isBusy = false;

/** Have the whole quote of `stock`, whose row can be seen now, or can be no longer. */
export function wantDetails(stock, isSeen) {
  if (isSeen) seen.add(stock);
  else seen.delete(stock);
}

effect(() => {
  if (isOnline.value) asked = new WeakMap();
});

everySecond(async () => {
  if (isBusy || !isOnline.value || !shown.value.columns.some((column) => column.needs === "details")) return;
  const now = performance.now();
  const due = [...seen].filter((stock) => stock.quote && now - (asked.get(stock) ?? -Infinity) >= AGAIN_AFTER_MS).slice(0, MOST_AT_ONCE);
  if (!due.length) return;
  for (const stock of due) asked.set(stock, now);
  isBusy = true;
  await refresh(due.map((stock) => stock.symbol));
  isBusy = false;
});
