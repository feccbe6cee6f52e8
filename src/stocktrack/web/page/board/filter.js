// The filter of the board: which rows are shown while somebody types. What it hides stays on the list.

import { effect, signal } from "../base/html.js";
import { everySecond } from "../base/painter.js";
import { list, stocks } from "../session/state.js";

/** Whether the field is there, and what stands in it. */
export const isFiltering = signal(false);
export const filterText = signal("");
/** The symbols that it leaves; null where it hides nothing. */
export const matching = signal(null);

/** Whether a stock is one of those that `text` asks for: each of its words stands in the symbol or in the name. */
export function isMatch({ symbol, name }, text) {
  const whole = `${symbol} ${name}`.toLocaleLowerCase();
  return text.toLocaleLowerCase().split(/\s+/).every((word) => whole.includes(word));
}

/** Show the field, with the keyboard in it. */
export function focusFilter() {
  isFiltering.value = true;
  // It may have to be drawn first.
  setTimeout(() => document.getElementById("filter-field")?.select());
}

/** Show all rows, and the field no longer. */
export function endFilter() {
  filterText.value = "";
  isFiltering.value = false;
}

function match() {
  const text = filterText.value.trim();
  const before = matching.peek();
  if (!text) {
    if (before !== null) matching.value = null;
    return;
  }
  const symbols = [...stocks.value.values()].filter((stock) => isMatch(stock, text)).map((stock) => stock.symbol);
  if (before === null || before.size !== symbols.length || symbols.some((symbol) => !before.has(symbol))) matching.value = new Set(symbols);
}

effect(match);
// Names come later than their stocks, and are no signals.
everySecond(() => filterText.value && match());

let known = { list: "", symbols: new Set() };
effect(() => {
  const symbols = new Set(stocks.value.keys());
  const isSameList = known.list === list.value;
  const added = isSameList ? [...symbols].filter((symbol) => !known.symbols.has(symbol)) : [];
  known = { list: list.value, symbols };
  // Of another list it is another question; and whoever adds a stock wants to see it.
  if (!isSameList || (added.length && filterText.peek() && added.some((symbol) => !isMatch(stocks.value.get(symbol), filterText.peek().trim())))) endFilter();
});
