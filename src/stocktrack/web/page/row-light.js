// Lights the rows of a symbol whose alert fired, for as long as somebody needs to find them.

const LIT_MS = 6_000;
const LIT = "alerted";
const waiting = new Set();
const timers = new Map();

/** Light every row of `symbol`; while nobody looks at the page, once somebody does. */
export function lightRows(symbol) {
  if (document.hidden) {
    waiting.add(symbol);
    return;
  }
  for (const row of document.querySelectorAll(`tr:is([data-symbol="${CSS.escape(symbol)}"], [data-holding="${CSS.escape(symbol)}"])`)) {
    row.classList.add(LIT);
    clearTimeout(timers.get(row));
    timers.set(row, setTimeout(() => {
      timers.delete(row);
      row.classList.remove(LIT);
    }, LIT_MS));
  }
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  for (const symbol of waiting) lightRows(symbol);
  waiting.clear();
});
