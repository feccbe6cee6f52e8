// The suggestions for the text in the field that adds stocks: asks for them, knows which one is marked, and says which
// symbols are meant.

import { day, symbolsIn } from "./format.js";
import { signal } from "./html.js";
import { ask } from "./session.js";

const DEBOUNCE_MS = 180;
const MOST = 8;
const LONGEST_QUERY = 100;
/** No suggestion is marked: the return key takes the text itself. */
const NONE = -1;

/** What is suggested: {symbol, name, exchange}. */
export const matches = signal([]);
/** The place of the marked suggestion, or -1. */
export const marked = signal(NONE);
/** Whether the suggestions are shown. */
export const isOpen = signal(false);

// The text that `matches` answers: a slow answer must not be taken for one to what the field says now.
let answered = "";
let newest = "";
let timer = 0;

/** Ask for suggestions once `text` has stood for a moment; none for an empty text. */
export function suggest(text) {
  newest = text;
  clearTimeout(timer);
  if (!text) {
    matches.value = [];
    isOpen.value = false;
    return;
  }
  timer = setTimeout(async () => {
    let found = [];
    try {
      found = (await ask("SEARCH", { query: text.slice(0, LONGEST_QUERY), limit: MOST })).matches;
    } catch {
      // Without suggestions symbols can still be typed.
    }
    if (newest !== text) return;
    matches.value = found;
    answered = text;
    marked.value = NONE;
    isOpen.value = found.length > 0;
  }, DEBOUNCE_MS);
}

/**
 * The symbols that the return key adds: the marked suggestion; else what was typed, where it is several symbols or one
 * that a suggestion has; else the best suggestion; else what was typed.
 */
export function symbolsMeant(text) {
  if (marked.value !== NONE) return [matches.value[marked.value].symbol];
  const typed = symbolsIn(text);
  const found = answered === text ? matches.value : [];
  const isExact = typed.length > 1 || found.some((match) => match.symbol === typed[0]);
  return isExact || found.length === 0 ? typed : [found[0].symbol];
}

/** Where a match is traded, and which contract it is: "NFO · CE 18,000 · 25 Apr 2024". */
export function placeOf({ exchange, type, strike, expiry }) {
  // Without an expiry it is no contract, and its name says more than its type.
  const contract = expiry ? [[type, strike?.toLocaleString()].filter(Boolean).join(" "), day(expiry)] : [];
  return [exchange, ...contract].filter(Boolean).join(" · ");
}

/** Mark the suggestion `step` places on; the field itself is one of the places, between the last and the first. */
export function moveMark(step) {
  const places = matches.value.length + 1;
  marked.value = ((marked.value + 1 + step + places) % places) - 1;
}
