// The list on the screen: what the server says is on it, and what is added to it, taken off it and moved.

import { batch } from "../base/html.js";
import { ask } from "./asking.js";
import { announce, notify } from "./notices.js";
import { chosen, current, isLoaded, list, lists, stockOf, stocks, unread } from "./state.js";
import { Stock } from "./stock.js";
import { Failure } from "./wire.js";

/** The list that is always there. */
export const MAIN = "main";
/** Lists that a person has named here, and the server does not know yet: each begins with its first symbol. */
export const onlyHere = new Set();

// So many symbols are named in a sentence; of more it says how many they are.
const MOST_NAMED = 5;
// Of those that are missing a person wants to know which ones.
const MOST_MISSED = 10;

/** What names a list in a command: nothing for the main one. */
export function listField(name) {
  return name === MAIN ? {} : { list: name };
}

/** A list as a person calls it. */
export function titleOf(name) {
  return name === MAIN ? "My stocks" : name;
}

/**
 * Read the list on the screen and have its prices pushed; the names of all lists. With `isFresh` the connection is new,
 * and pushes nothing yet. Where another list is shown by the time that the answer comes, nothing is changed: null.
 */
export async function load({ isFresh = false } = {}) {
  const name = list.value;
  const reply = await ask("MY_STOCKS", listField(name));
  if (name !== list.value) return null;
  if (reply.lists && name !== MAIN && !reply.lists.includes(name) && !onlyHere.has(name)) {
    // An address, or the last visit, named a list that is gone; or another client has removed it meanwhile.
    if (lists.value.includes(name)) notify(`The list “${name}” was deleted elsewhere.`);
    batch(() => {
      lists.value = reply.lists;
      list.value = MAIN;
    });
    return load({ isFresh });
  }
  if (reply.lists?.includes(name)) onlyHere.delete(name);
  const old = stocks.value;
  const gone = [...old.keys()].filter((symbol) => !reply.symbols.includes(symbol));
  const next = new Map(reply.symbols.map((symbol) => [symbol, old.get(symbol) ?? new Stock(symbol)]));
  batch(() => {
    if (reply.lists) lists.value = reply.lists.includes(name) ? reply.lists : [...reply.lists, name];
    // It was there until now: another client has removed it meanwhile.
    if (isLoaded.value && old.has(chosen.value) && !next.has(chosen.value)) chosen.value = null;
    stocks.value = next;
    isLoaded.value = true;
    unread.value = null;
  });
  takeQuotes(reply, { isFresh });
  // Only now: what the person adds while this is answered would be missing in what was read before.
  if (!isFresh && gone.length) {
    await stopPushes(gone);
    if (name !== list.value) return null;
  }
  const wanted = isFresh ? reply.symbols : reply.symbols.filter((symbol) => !old.has(symbol));
  if (wanted.length) {
    const started = await ask("SUBSCRIBE", isFresh ? { interval: 0, ...listField(name) } : { symbols: wanted, interval: 0, save: false });
    for (const { symbol, reason, message } of started.missing) stocks.value.get(symbol)?.lack(reason, message);
    for (const symbol of started.pending) stocks.value.get(symbol)?.lack("pending");
  }
  return reply.lists ?? [];
}

/** Load, and tell what another connection would not mend: the page would come back to the same answer for ever. */
export async function loadOrTell(how) {
  const name = list.value;
  try {
    return await load(how);
  } catch (error) {
    if (name === list.value && !isLoaded.value) {
      // What still stands there is another list's.
      batch(() => {
        stocks.value = new Map();
        unread.value = error.message;
      });
    }
    if (!(error instanceof Failure) || error.isRetryable || error.code === 401) throw error;
    // Where no source knows any symbol of the list, its rows say so, and each can be removed.
    for (const { symbol, reason, message } of error.missing) stocks.value.get(symbol)?.lack(reason, message);
    notify(error.message, { kind: "bad" });
    return null;
  }
}

/** End the pushes of these symbols and leave the saved list as it is. */
export async function stopPushes(symbols) {
  if (!symbols.length) return;
  try {
    await ask("UNSUBSCRIBE", { symbols, save: false });
  } catch (error) {
    // None of them is pushed, as where no source knows them, or where another list was on its way.
    if (!(error instanceof Failure && error.reason === "not_subscribed")) throw error;
  }
}

/** Add symbols to the list on the screen, or to the one that was there before; whether all of them are there now. */
export async function add(symbols, name = list.value) {
  const reply = await ask("SUBSCRIBE", { symbols, interval: 0, ...listField(name) });
  if (reply.missing.length) notify(missingWords(reply.missing), { kind: "bad" });
  const there = [...new Set([...reply.subscribed, ...reply.already, ...reply.pending])];
  if (name !== list.value) {
    // They are saved where they were meant to be; here they are not on the board.
    await stopPushes(there.filter((symbol) => !stocks.value.has(symbol))).catch(() => {});
    if (there.length) notify(`${named(there)} added to “${titleOf(name)}”.`);
    return reply.missing.length === 0;
  }
  const before = stocks.value;
  const next = new Map(before);
  for (const symbol of there) {
    if (!next.has(symbol)) next.set(symbol, new Stock(symbol));
  }
  for (const symbol of reply.pending) next.get(symbol).lack("pending");
  stocks.value = next;
  const shown = symbols.filter((symbol) => next.has(symbol));
  const added = shown.filter((symbol) => !before.has(symbol));
  if (shown.length) {
    current.value = (added.length ? added : shown)[0];
    if (added.length) announce(`${named(added)} added.`);
    else if (!reply.missing.length) notify(`${named(shown)} ${shown.length === 1 ? "is" : "are"} on this list already.`);
    refresh(shown.filter((symbol) => !reply.pending.includes(symbol)));
  }
  return reply.missing.length === 0;
}

// The lists and symbols that are being taken out: who clicks again has done it once.
const leaving = new Set();

/** Take a symbol out of the list on the screen, with a way back. */
export async function remove(symbol) {
  // What still stands there while another list comes is not on that one.
  if (!isLoaded.value) return;
  const key = JSON.stringify([list.value, symbol]);
  if (leaving.has(key)) return;
  leaving.add(key);
  await removeFrom(list.value, symbol).finally(() => leaving.delete(key));
}

async function removeFrom(name, symbol) {
  const order = [...stocks.value.keys()];
  try {
    await takeOut(name, symbol);
  } catch (error) {
    if (!(error instanceof Failure && ["not_subscribed", "unknown_list"].includes(error.reason))) {
      notify(error.message, { kind: "bad" });
      return;
    }
  }
  if (name === list.value) drop([symbol]);
  const undo = () => putBack(name, symbol, order).catch((error) => notify(error.message, { kind: "bad" }));
  notify(`${symbol} removed.`, { action: { label: "Undo", run: undo } });
}

async function takeOut(name, symbol) {
  if (name === MAIN) {
    await ask("UNSUBSCRIBE", { symbols: [symbol] });
    return;
  }
  // A list that a person has made stays when it is empty; only UNSUBSCRIBE would end it with its last symbol.
  await ask("SET_LIST", { ...listField(name), symbols: [symbol], change: "remove", keep: true });
  if (name === list.value) await stopPushes([symbol]);
}

/** Put a symbol back where it stood in `order`, among those that are there now. */
async function putBack(name, symbol, order) {
  if (name === list.value) {
    if (!(await add([symbol]))) return;
  } else {
    await ask("SET_LIST", { ...listField(name), symbols: [symbol], change: "add" });
  }
  const { symbols } = await ask("MY_STOCKS", listField(name));
  const wanted = placedBack(symbols, symbol, order);
  await ask("SET_LIST", { ...listField(name), symbols: wanted.slice(0, wanted.indexOf(symbol) + 1), change: "order" });
  if (name === list.value) stand(placedBack([...stocks.value.keys()], symbol, order));
  else notify(`${symbol} is back on “${titleOf(name)}”.`);
}

/** `symbols` with `symbol` behind the one that stood before it in `order`, or before the one that stood behind it. */
export function placedBack(symbols, symbol, order) {
  const others = symbols.filter((each) => each !== symbol);
  const place = order.indexOf(symbol);
  const before = order.slice(0, place).findLast((each) => others.includes(each));
  const behind = order.slice(place + 1).find((each) => others.includes(each));
  const at = before !== undefined ? others.indexOf(before) + 1 : behind !== undefined ? others.indexOf(behind) : others.length;
  return [...others.slice(0, at), symbol, ...others.slice(at)];
}

// The newest order of each list that is not saved yet: a key that is held down moves a row ten times a second.
const unsaved = new Map();
let isSaving = false;

/** Have the list on the screen stand in this order, and save it. */
export async function putInOrder(symbols) {
  if (!isLoaded.value) return;
  stand(symbols);
  unsaved.set(list.value, [...stocks.value.keys()]);
  if (isSaving) return;
  isSaving = true;
  try {
    while (unsaved.size) {
      const [[name, order]] = unsaved;
      unsaved.delete(name);
      await ask("SET_LIST", { ...listField(name), symbols: order, change: "order" });
    }
  } catch (error) {
    unsaved.clear();
    notify(`The order was not saved. ${error.message}`, { kind: "bad" });
    await load().catch(() => {}); // without a connection it is read again with the next one
  } finally {
    isSaving = false;
  }
}

/** Show the stocks in this order; those that are not named stand behind. */
function stand(symbols) {
  const there = symbols.filter((symbol) => stocks.value.has(symbol));
  const all = [...new Set([...there, ...stocks.value.keys()])];
  stocks.value = new Map(all.map((symbol) => [symbol, stocks.value.get(symbol)]));
}

/** Take symbols off the board that the server has taken out of the list. */
export function drop(symbols) {
  const next = new Map(stocks.value);
  const order = [...next.keys()];
  for (const symbol of symbols) {
    next.delete(symbol);
    if (chosen.value === symbol) {
      const place = order.indexOf(symbol);
      const neighbour = order[place + 1] ?? order[place - 1] ?? null;
      current.value = neighbour;
      chosen.value = null;
    }
  }
  stocks.value = next;
}

/** Fetch whole quotes of `symbols`, for what a PRICE does not carry. */
export async function refresh(symbols) {
  if (!symbols.length) return;
  try {
    const reply = await ask("GET", { symbols });
    takeQuotes(reply);
  } catch {
    // Pushed prices go on without it, and the panel asks again.
  }
}

function takeQuotes(reply, { isFresh = false } = {}) {
  for (const quote of reply.quotes) {
    const stock = stockOf(quote.symbol);
    if (!stock) continue;
    // A server that was restarted counts from the beginning; measured by the count before, its prices would look old.
    if (isFresh && stock.quote) stock.quote = { ...stock.quote, seq: 0 };
    stock.takeWhole(quote);
  }
  for (const { symbol, reason, message } of reply.missing ?? []) stockOf(symbol)?.lack(reason, message);
}

/** Some symbols in a sentence: each by its name while they are few. */
export function named(symbols) {
  return symbols.length <= MOST_NAMED ? symbols.join(", ") : `${symbols.length} stocks`;
}

/** Which symbols are missing and why: what the server says of one, and those of one reason together. */
function missingWords(missing) {
  const symbols = new Map();
  for (const { symbol, reason, message } of missing) {
    const words = message || reasonWords(reason);
    symbols.set(words, [...(symbols.get(words) ?? []), symbol]);
  }
  return [...symbols].map(([words, those]) => `${first(those)}: ${words}`).join(" ");
}

function first(symbols) {
  const more = symbols.length - MOST_MISSED;
  return more > 1 ? `${symbols.slice(0, MOST_MISSED).join(", ")} and ${more} more` : symbols.join(", ");
}

function reasonWords(reason) {
  if (reason === "unknown_symbol") return "no source knows this symbol.";
  if (reason === "rate_limited") return "you have asked the sources too often; try again in a minute.";
  return `there is no price now (${reason}).`;
}
