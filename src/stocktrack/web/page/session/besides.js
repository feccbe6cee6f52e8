// Prices of stocks that are not on the list on the screen, for as long as something shows them: the holdings, or the panel.

import { effect } from "../base/html.js";
import { ask } from "./asking.js";
import { refresh } from "./shown-list.js";
import { besides, chosen, isOnline, phase, stocks } from "./state.js";
import { Stock } from "./stock.js";

// What each of those who show something wants, by its name.
const wanted = new Map();
// What this connection is pushed because of it.
let pushed = new Set();

/** Have the prices of `symbols` pushed for the one of this name, and of none that it wanted before. */
export function want(holder, symbols) {
  if (symbols.length) wanted.set(holder, symbols);
  else wanted.delete(holder);
  settle();
}

/** Show the panel of a symbol, on the list or not. */
export function show(symbol) {
  if (!stocks.value.has(symbol)) want("panel", [symbol]);
  chosen.value = symbol;
}

function settle() {
  const symbols = [...new Set([...wanted.values()].flat())].filter((symbol) => !stocks.value.has(symbol));
  const before = besides.peek();
  if (symbols.length !== before.size || symbols.some((symbol) => !before.has(symbol))) {
    besides.value = new Map(symbols.map((symbol) => [symbol, before.get(symbol) ?? new Stock(symbol)]));
  }
  if (!isOnline.value) {
    pushed = new Set();
    return;
  }
  const gone = [...pushed].filter((symbol) => !symbols.includes(symbol) && !stocks.value.has(symbol));
  const come = symbols.filter((symbol) => !pushed.has(symbol));
  pushed = new Set(symbols);
  if (gone.length) stop(gone);
  if (come.length) start(come);
}

async function start(symbols) {
  try {
    const reply = await ask("SUBSCRIBE", { symbols, interval: 0, save: false });
    for (const { symbol, reason, message } of reply.missing) besides.value.get(symbol)?.lack(reason, message);
    for (const symbol of reply.pending) besides.value.get(symbol)?.lack("pending");
    await refresh(symbols);
  } catch (error) {
    // As where the list is as long as it may be: whoever shows them has what else is known.
    for (const symbol of symbols) besides.value.get(symbol)?.lack("not_pushed", error.message);
  }
}

async function stop(symbols) {
  try {
    await ask("UNSUBSCRIBE", { symbols, save: false });
    // What was put on the list meanwhile is wanted all the same.
    const back = symbols.filter((symbol) => stocks.value.has(symbol));
    if (back.length) await ask("SUBSCRIBE", { symbols: back, interval: 0, save: false });
  } catch {
    // The connection is lost, and with it what it was pushed; or it was not pushed.
  }
}

effect(() => {
  if (phase.value === "login") wanted.clear();
  const symbol = chosen.value;
  if (wanted.has("panel") && wanted.get("panel")[0] !== symbol) wanted.delete("panel");
  // Read, so that a change of the list or of the connection is seen.
  void stocks.value;
  void isOnline.value;
  settle();
});
