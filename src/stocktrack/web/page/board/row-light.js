// Lights the rows of a symbol whose alert fired, for as long as somebody needs to find them.

import { effect } from "../base/html.js";
import { stocks, view } from "../session/state.js";

const LIT_MS = 6_000;
const LIT = "alerted";
// Until when each symbol is lit; what nobody looked at when it fired is, once somebody does.
const litUntil = new Map();
const unseen = new Set();

/** Light every row of `symbol`; while nobody looks at the page, once somebody does. */
export function lightRows(symbol) {
  if (document.hidden) {
    unseen.add(symbol);
    return;
  }
  litUntil.set(symbol, Date.now() + LIT_MS);
  paint();
  setTimeout(paint, LIT_MS);
}

function paint() {
  const now = Date.now();
  for (const [symbol, until] of litUntil) {
    const isLit = until > now;
    for (const row of rowsOf(symbol)) row.classList.toggle(LIT, isLit);
    if (!isLit) litUntil.delete(symbol);
  }
}

function rowsOf(symbol) {
  const name = CSS.escape(symbol);
  return document.querySelectorAll(`tr:is([data-symbol="${name}"], [data-holding="${name}"])`);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  for (const symbol of unseen) lightRows(symbol);
  unseen.clear();
});

effect(() => {
  // Rows that come to the screen while their symbol is lit.
  void view.value;
  void stocks.value;
  if (litUntil.size) setTimeout(paint);
});
