// The suggestions for the text in the field that adds stocks: asks for them, and knows which one is marked.

import { ask } from "../session/asking.js";
import { computed, signal } from "../base/html.js";
import { day } from "../figures/format.js";
import { meant } from "./meaning.js";
import { announce } from "../session/notices.js";
import { Failure } from "../session/wire.js";

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
const answered = signal("");
const newest = signal("");
let timer = 0;
// The question that is under way, {text, answer}, or null.
let asked = null;

/** The place of the suggestion that the return key takes as it is, marked or not; -1 where it takes the text. */
export const returned = computed(() => {
  if (marked.value !== NONE) return marked.value;
  if (answered.value !== newest.value) return NONE; // what is shown is of a text before
  const { symbols, instead } = meant(answered.value, matches.value);
  return instead === undefined && symbols.length === 1 ? matches.value.findIndex((match) => match.symbol === symbols[0]) : NONE;
});

/** Ask for suggestions once `text` has stood for a moment; none for an empty text. What was marked is so no longer. */
export function suggest(text) {
  newest.value = text;
  clearTimeout(timer);
  marked.value = NONE;
  if (text) {
    timer = setTimeout(() => find(text).catch(() => {}), DEBOUNCE_MS);
    return;
  }
  matches.value = [];
  answered.value = "";
  isOpen.value = false;
}

/**
 * The suggestions for `text`, asked for at once where that was not done yet; none where the server refuses. Without a
 * connection it is a Disconnected.
 */
export async function suggestionsFor(text) {
  if (answered.value === text) return matches.value;
  clearTimeout(timer);
  return asked?.text === text ? asked.answer : find(text);
}

function find(text) {
  const mine = { text };
  mine.answer = answerTo(text).then(
    (found) => {
      if (asked === mine) asked = null;
      if (newest.value === text) take(text, found);
      return found;
    },
    (error) => {
      if (asked === mine) asked = null;
      throw error;
    },
  );
  asked = mine;
  return mine.answer;
}

async function answerTo(text) {
  try {
    const { matches: found } = await ask("SEARCH", { query: text.slice(0, LONGEST_QUERY), limit: MOST });
    return found.filter((match, place) => found.findIndex((each) => each.symbol === match.symbol) === place);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return []; // symbols can still be typed
  }
}

function take(text, found) {
  matches.value = found;
  answered.value = text;
  marked.value = NONE;
  isOpen.value = found.length > 0;
  const [first] = found;
  if (found.length === 1) announce(`1 suggestion: ${first.symbol}, ${first.name ?? ""}`);
  else if (found.length) announce(`${found.length} suggestions.`);
}

/** Where a match is traded, and which contract it is: "NFO · CE 18,000 · 25 Apr 2024". */
export function placeOf({ exchange, type, strike, expiry }) {
  // Without an expiry it is no contract, and its name says more than its type.
  const contract = expiry ? [[type, strike?.toLocaleString()].filter(Boolean).join(" "), day(expiry)] : [];
  return [exchange, ...contract].filter(Boolean).join(" · ");
}

/** Show the suggestions no longer: the return key takes none that nobody sees. */
export function closeSuggestions() {
  isOpen.value = false;
  marked.value = NONE;
}

/** Mark the suggestion `step` places on; the field itself is one of the places, between the last and the first. */
export function moveMark(step) {
  const places = matches.value.length + 1;
  marked.value = ((marked.value + 1 + step + places) % places) - 1;
}
