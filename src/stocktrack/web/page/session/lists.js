// The user's lists: which one is shown, how they are begun, named, ordered and removed, and what others change in them.

import { batch } from "../base/html.js";
import { ask } from "./asking.js";
import { announce, notify } from "./notices.js";
import { listField, loadOrTell, MAIN, onlyHere, stopPushes, titleOf } from "./shown-list.js";
import { chosen, current, isLoaded, list, lists, stocks, unread } from "./state.js";
import { backOffMs, Failure } from "./wire.js";

// Why the main list can neither be renamed nor removed.
export const MAIN_STAYS = "This list is always there: it can be emptied, but neither renamed nor deleted.";

/** How what is shown changes without the person having gone anywhere; places.js knows how. */
export const byItself = { change: batch };

// Which lists others have changed, until that is read; null where nothing is waiting.
let news = null;
let isReading = false;

/** Show another of the user's lists, with the panel of `symbol`; a new name is a list that begins with its first symbol. */
export async function showList(name, symbol = null) {
  if (name === list.value) return;
  const before = [...stocks.value.keys()];
  if (!lists.value.includes(name)) {
    onlyHere.add(name);
    lists.value = [...lists.value, name];
  }
  batch(() => {
    list.value = name;
    chosen.value = symbol;
    current.value = null;
    isLoaded.value = false;
    unread.value = null;
  });
  // Where it fails the reading does as well, and tells.
  await stopPushes(before).catch(() => {});
  // Whoever goes on to another one at once has that one loaded.
  if (name === list.value) await readShown();
}

// Goes up with each reading that begins: one that waits to try again sees by it that it is over.
let reading = 0;

/** Read the list on the screen, and where the server says that it may be able to later, until it is. */
export async function readShown() {
  const mine = ++reading;
  const name = list.value;
  for (let attempt = 0; mine === reading && name === list.value; attempt += 1) {
    try {
      await loadOrTell({ isFresh: true });
      return;
    } catch (error) {
      if (!(error instanceof Failure) || !error.isRetryable) return;
      if (attempt === 0) notify(error.message, { kind: "bad" });
      const pauseMs = Math.max(error.retryAfterMs, backOffMs(attempt + 1));
      await new Promise((resolve) => {
        setTimeout(resolve, pauseMs);
      });
    }
  }
}

/** Begin a list, which is there until it is removed, and show it; whether that could be done. */
export async function beginList(name) {
  if (!lists.value.includes(name)) {
    if (!(await told(ask("SET_LIST", { ...listField(name), symbols: [], keep: true })))) return false;
    if (!lists.value.includes(name)) lists.value = [...lists.value, name];
  }
  await showList(name);
  return true;
}

/** Give a list another name; whether that could be done. */
export async function renameList(name, newName) {
  if (newName === name) return true;
  if (!(await told(ask("RENAME_LIST", { list: name, name: newName })))) return false;
  byItself.change(() => {
    lists.value = lists.value.map((each) => (each === name ? newName : each));
    if (list.value === name) list.value = newName;
  });
  announce(`“${name}” is called “${newName}” now.`);
  return true;
}

/** Remove a list with all that is on it, with a way back. */
export async function removeList(name) {
  if (name === MAIN) {
    notify(MAIN_STAYS);
    return;
  }
  const order = lists.value;
  const wasShown = list.value === name;
  const reply = await told(ask("REMOVE_LIST", { list: name }), ["unknown_list"]);
  if (!reply) return;
  leave(name, order);
  const symbols = reply.symbols ?? [];
  const undo = () => bringBack(name, symbols, order, wasShown).catch((error) => notify(error.message, { kind: "bad" }));
  const what = symbols.length === 1 ? "1 stock" : `${symbols.length} stocks`;
  notify(`List “${name}” deleted, with ${what}.`, { action: { label: "Undo", run: undo } });
}

async function bringBack(name, symbols, order, isShown) {
  const { missing } = await ask("SET_LIST", { ...listField(name), symbols, keep: true });
  const there = [...new Set([...lists.value, name])];
  await orderLists(order.filter((each) => there.includes(each)));
  if (missing.length) notify(`“${name}” is back without ${missing.map(({ symbol }) => symbol).join(", ")}, which no source knows.`);
  if (isShown) await showList(name);
}

/** Move a list `step` places, as far as there are places; where it stands then, from 1, of how many is said. */
export async function moveList(name, step) {
  const names = lists.value.filter((each) => each !== name);
  const place = Math.max(0, Math.min(names.length, lists.value.indexOf(name) + step));
  await orderLists([...names.slice(0, place), name, ...names.slice(place)]);
  announce(`${titleOf(name)}: place ${lists.value.indexOf(name) + 1} of ${lists.value.length}.`);
}

/** Put the lists into this order; those that are not named stand behind. */
export async function orderLists(names) {
  const before = lists.value;
  if (names.length === before.length && names.every((name, place) => name === before[place])) return;
  lists.value = [...new Set([...names, ...before])];
  const reply = await told(ask("ORDER_LISTS", { lists: names }));
  if (reply) takeNames(reply.lists.map((each) => each.list));
  else lists.value = before;
}

/** Have the server tell what others change in the lists, over the connection that there is now. */
export function follow() {
  news = null;
  // A server of before knows nothing of it; whatever else fails the next question tells.
  ask("LISTS", { follow: true }).catch(() => {});
}

/** Take a NOTICE that others have changed some lists. */
export async function takeListNews({ lists: names = [] }) {
  news = new Set([...(news ?? []), ...names]);
  if (isReading) return;
  isReading = true;
  try {
    while (news !== null) {
      const changed = news;
      news = null;
      await readNews(changed);
    }
  } catch {
    // The connection is lost, or the database fails: it is all read anew with the next connection, or the next change.
  } finally {
    isReading = false;
  }
}

async function readNews(changed) {
  const before = lists.value;
  const shown = list.value;
  const { lists: infos } = await ask("LISTS");
  const names = infos.map((each) => each.list);
  if (shown !== list.value) {
    takeNames(names);
    return;
  }
  if (!names.includes(shown) && changed.has(shown)) {
    const renamed = renamedTo(changed, before, names);
    if (renamed !== null) {
      byItself.change(() => {
        lists.value = names;
        list.value = renamed;
      });
    } else {
      leave(shown, before);
      takeNames(names);
      notify(`The list “${titleOf(shown)}” was deleted elsewhere.`);
      return;
    }
  }
  takeNames(names);
  if (changed.has(list.value)) await loadOrTell();
}

/** What a list that is gone is called now: the one changed name that is new; null where there is none, or several. */
export function renamedTo(changed, before, names) {
  const candidates = names.filter((name) => changed.has(name) && !before.includes(name));
  return candidates.length === 1 ? candidates[0] : null;
}

/** Show these lists, and the one on the screen whether it is among them or not. */
function takeNames(names) {
  lists.value = names.includes(list.value) ? names : [...names, list.value];
}

/** Take a list off the tabs; where it is shown, its neighbour is. */
function leave(name, order) {
  const place = order.indexOf(name);
  const neighbour = order[place + 1] ?? order[place - 1] ?? MAIN;
  const isShown = list.value === name;
  lists.value = lists.value.filter((each) => each !== name);
  if (isShown) byItself.change(() => showList(neighbour));
}

/** The reply, or null after the person was told why there is none; a failure for one of `reasons` is as good as one. */
async function told(reply, reasons = []) {
  try {
    return await reply;
  } catch (error) {
    if (error instanceof Failure && reasons.includes(error.reason)) return {};
    notify(error.message, { kind: "bad" });
    return null;
  }
}
