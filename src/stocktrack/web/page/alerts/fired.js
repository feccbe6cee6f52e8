// What the alerts of a person tell when they fire: each once, as a toast, on the row, and in the browser's notifications.

import { show } from "../session/besides.js";
import { batch, effect, signal } from "../base/html.js";
import { notifyBrowser } from "./notifications.js";
import { everySecond } from "../base/painter.js";
import { lightRows } from "../board/row-light.js";
import { phase, unseenAlerts } from "../session/state.js";

const AT_ONCE = 3;
const SHOWN_SECONDS = 15;
// A server tells again what it does not know to be told; it keeps what was told for days.
const MOST_REMEMBERED = 2_000;

/** The toasts, the newest first: {id, symbol, message, at, seconds}; `seconds` are those that it is still shown. */
export const toasts = signal([]);
/** How many more fired while these are shown. */
export const more = signal(0);
/** Whether somebody points at a toast or has the keyboard on it: then none goes by itself. */
export const isHeld = signal(false);

const told = new Set();
let nextId = 1;

/** Take a NOTICE of an alert; one of the same delivery was told already. */
export function take({ delivery, symbols = [], message, timestamp }) {
  if (delivery !== undefined) {
    if (told.has(delivery)) return;
    told.add(delivery);
    if (told.size > MOST_REMEMBERED) told.delete(told.values().next().value);
  }
  const [symbol] = symbols;
  const toast = { id: nextId++, symbol, message, at: timestamp, seconds: SHOWN_SECONDS };
  batch(() => {
    more.value += Math.max(0, toasts.value.length + 1 - AT_ONCE);
    toasts.value = [toast, ...toasts.value].slice(0, AT_ONCE);
    unseenAlerts.value += 1;
  });
  if (symbol !== undefined) lightRows(symbol);
  notifyBrowser(symbol === undefined ? "StockTrack" : `${symbol}: alert`, { body: message, tag: delivery, open: () => symbol !== undefined && show(symbol) });
}

export function dismiss(id) {
  keep(toasts.value.filter((toast) => toast.id !== id));
}

export function dismissAll() {
  keep([]);
}

function keep(kept) {
  const before = toasts.peek().length;
  batch(() => {
    toasts.value = kept;
    if (kept.length < before) isHeld.value = false; // what is gone is not left any more
    if (!kept.length) more.value = 0;
  });
}

// Only while the page is looked at: what fired meanwhile is still there when somebody comes back.
everySecond(() => {
  if (!toasts.value.length || isHeld.value) return;
  keep(toasts.value.map((toast) => ({ ...toast, seconds: toast.seconds - 1 })).filter((toast) => toast.seconds > 0));
});

effect(() => {
  // What another person is told is another thing.
  if (phase.value !== "login") return;
  told.clear();
  keep([]);
});
