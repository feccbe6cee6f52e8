// What becomes of the text in the field that adds stocks when the return key is pressed: it waits for the suggestions, and
// adds what is shown.

import { add } from "../session/shown-list.js";
import { announce, notify } from "../session/notices.js";
import { ask } from "../session/asking.js";
import { isListed, meant, noSymbol } from "./meaning.js";
import { marked, matches, suggestionsFor } from "./suggestions.js";
import { signal } from "../base/html.js";
import { list } from "../session/state.js";
import { Disconnected, Failure } from "../session/wire.js";

const NOT_FOUND = 404;
// Whoever waits for less has no time to read why.
const SLOW_MS = 400;
// So many letters of a text are told back.
const MOST_QUOTED = 60;

/** What is being waited for: null, "searching" or "adding". */
export const waiting = signal(null);
/** Whether that takes so long that the person is told. */
export const isSlow = signal(false);

let turn = 0;
let timer = 0;

/** Add what `text` means, or the marked suggestion; whether it is all there now, null where that was given up. */
export async function take(text) {
  // Whoever shows another list meanwhile meant this one.
  const { value: name } = list;
  const match = matches.value[marked.value];
  if (match) return takeSymbols([match.symbol]);
  turn += 1;
  const mine = turn;
  let found = [];
  try {
    if (!isListed(text)) {
      begin("searching", `Searching for ${short(text)}. Escape gives up.`);
      found = await suggestionsFor(text);
    }
  } catch (error) {
    if (mine === turn) notify(`${error.message} “${short(text)}” was not added.`, { kind: "bad" });
    found = null;
  } finally {
    if (mine === turn) end();
  }
  if (mine !== turn) return null;
  return found !== null && addMeant(name, text, meant(text, found));
}

/** Add these symbols to the list that is shown, or was; whether they are all there now. */
export async function takeSymbols(symbols, name = list.value) {
  giveUp();
  begin("adding", "Adding.");
  const mine = turn;
  try {
    return await add(symbols, name);
  } catch (error) {
    const why = error instanceof Disconnected ? `${error.message} Whether ${symbols[0]} was added shows when it is back.` : error.message;
    notify(why, { kind: "bad" });
    return false;
  } finally {
    if (mine === turn) end();
  }
}

/** Wait no longer for suggestions; whether there was anything to give up. */
export function giveUp() {
  if (waiting.value !== "searching") return false;
  turn += 1;
  end();
  return true;
}

async function addMeant(name, text, { symbols, instead, needsAll = false }) {
  if (!symbols.length) {
    const word = noSymbol(text) ?? text;
    notify(`“${short(word)}” is no symbol, and no company of this name is found. A symbol is like AAPL, BRK-B or VOD.L.`, { kind: "bad" });
    return false;
  }
  const why = needsAll ? await whyNotAll(symbols, text) : "";
  if (why) {
    if (instead !== undefined) return takeSymbols([instead], name);
    notify(why, { kind: "bad" });
    return false;
  }
  if (instead === undefined || needsAll) return takeSymbols(symbols, name);
  return addOr(name, symbols, instead);
}

/** Add a symbol, or the suggestion where no source knows it. */
async function addOr(name, symbols, instead) {
  begin("adding", "Adding.");
  try {
    return await add(symbols, name);
  } catch (error) {
    if (!(error instanceof Failure && error.code === NOT_FOUND)) {
      notify(error.message, { kind: "bad" });
      return false;
    }
  } finally {
    end();
  }
  const isThere = await takeSymbols([instead], name);
  if (isThere) notify(`No source knows ${symbols[0]}. ${instead} was added, the first suggestion.`);
  return isThere;
}

/** Why the words of `text` are not all symbols that a source knows, as a sentence; "" where they are. */
async function whyNotAll(symbols, text) {
  begin("searching", "Searching.");
  let missing = [];
  try {
    ({ missing } = await ask("GET", { symbols }));
  } catch (error) {
    ({ missing = [] } = error);
    // A word of a name may be a symbol of its own: nothing is added on trust.
    if (!missing.some(isUnknown)) return `${error.message} “${short(text)}” was not added.`;
  } finally {
    end();
  }
  const unknown = missing.filter(isUnknown).map(({ symbol }) => symbol);
  if (unknown.length === symbols.length) return `No source knows “${short(text)}”. Put commas between symbols, or search for one company.`;
  if (unknown.length) return `No source knows ${short(unknown.join(", "))}, and nothing was added. Put commas between symbols to add the others, or search for one company.`;
  if (missing.length) return `No source can say now whether it knows ${short(missing.map(({ symbol }) => symbol).join(", "))}, and nothing was added. Put commas between symbols, or try again later.`;
  return "";
}

function isUnknown({ code }) {
  return code === NOT_FOUND;
}

/** What somebody typed or pasted, so that it fits into a sentence. */
function short(text) {
  const letters = [...text];
  return letters.length > MOST_QUOTED ? `${letters.slice(0, MOST_QUOTED).join("")}…` : text;
}

function begin(what, words) {
  waiting.value = what;
  clearTimeout(timer);
  timer = setTimeout(() => {
    isSlow.value = true;
    announce(words);
  }, SLOW_MS);
}

function end() {
  clearTimeout(timer);
  waiting.value = null;
  isSlow.value = false;
}
