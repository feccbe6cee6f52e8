// What the person holds, as the server says it, and the commands that change it.

import { batch, effect, signal } from "../base/html.js";
import { recall, remember } from "../base/keeping.js";
import { ask } from "../session/asking.js";
import { phase } from "../session/state.js";

const KEY = "stocktrack.currency";

/** The answer to HOLDINGS, its pages as one; null until there is one. */
export const holdings = signal(null);
/** Why it could not be read, or "". */
export const trouble = signal("");
/** The currency of the totals that the person chose in this browser; "" is the server's. */
export const currency = signal(remembered());
/** The group that is shown; "" is all. */
export const group = signal("");

let reading = 0;

effect(() => remember(KEY, currency.value || null));

effect(() => {
  // Another person holds other things.
  if (phase.value !== "login") return;
  reading += 1;
  batch(() => {
    holdings.value = null;
    trouble.value = "";
    group.value = "";
  });
});

/** Read it anew. */
export async function readHoldings() {
  const mine = ++reading;
  const question = { ...(currency.value ? { currency: currency.value } : {}), ...(group.value ? { group: group.value } : {}) };
  try {
    const reply = await ask("HOLDINGS", question);
    for (let page = reply; page.more && page.lots.length; ) {
      const last = page.lots.at(-1);
      page = await ask("HOLDINGS", { ...question, after: last.symbol, after_lot: last.lot });
      for (const name of ["holdings", "lots", "missing"]) reply[name].push(...page[name]);
      reply.totals = page.totals;
    }
    if (mine !== reading) return;
    batch(() => {
      holdings.value = reply;
      trouble.value = "";
    });
  } catch (error) {
    if (mine === reading) trouble.value = error.message;
  }
}

/** Keep a lot: {symbol, quantity, unit_cost, fixed_cost, group}; it is on the server's disk when this returns. */
export async function addLot(fields) {
  const added = await ask("ADD_LOT", fields);
  // One of another group would not be seen.
  if (group.value && group.value !== added.group) group.value = "";
  readHoldings();
  return added;
}

/** Take a lot out. */
export async function removeLot(lot) {
  try {
    await ask("REMOVE_LOT", { lot });
  } catch (error) {
    if (error.reason !== "unknown_lot") throw error;
  }
  await readHoldings();
}

function remembered() {
  const kept = recall(KEY);
  return /^[A-Z]{3}$/.test(kept ?? "") ? kept : "";
}
