// What the page shows, as signals. Prices are not here: they change too often for components (see stock.js).

import { computed, signal } from "../base/html.js";

/** Whether the person has yet to log in: "login" or "board". */
export const phase = signal("login");
export const user = signal("");
/** Whether the server said that the person is an administrator, in a session that may change something. */
export const isAdmin = signal(false);

/** The connection: {status: "connecting" | "online" | "waiting" | "off", retryAt, wasOnline}. `retryAt` is a time of Date.now(). */
export const link = signal({ status: "off", retryAt: 0, wasOnline: false });

/** Every stock on the board, by symbol, in the order in which it was saved. A new Map each time, so that it is seen. */
export const stocks = signal(new Map());
/** Whether the saved list has been read: before that an empty board means nothing. */
export const isLoaded = signal(false);

/** Why the list on the screen could not be read, in a sentence; null where it was read, or is on its way. */
export const unread = signal(null);

/** The names of the user's lists; empty where the server keeps only one. */
export const lists = signal([]);
export const list = signal("main");

/** What stands in the middle of the page: "board", "alerts", "holdings" or "admin". */
export const view = signal("board");

/** Stocks that are shown though they are not on the list on the screen, by symbol (besides.js). */
export const besides = signal(new Map());

/** The stock of a symbol that is shown anywhere, or undefined. */
export function stockOf(symbol) {
  return stocks.value.get(symbol) ?? besides.value.get(symbol);
}

/** The symbol in the panel, or null. */
export const chosen = signal(null);
/** The symbol that the keyboard stands on in the board, or null for the first. */
export const current = signal(null);

/** How the board is sorted: the key of a column, or null for the order of saving. */
export const sort = signal({ key: null, isDescending: false });

/** What the server said of its sources and has not taken back: {reason, message, symbols, retryAt}. */
export const outages = signal([]);
/** Short words to the person: {id, kind, text, action}. */
export const notices = signal([]);
/** How many alerts fired since somebody looked at the list of alerts. */
export const unseenAlerts = signal(0);

/** Server time minus this machine's, in milliseconds. */
export const clockOffset = { value: 0 };

/** The server's time, in milliseconds since the epoch. */
export function serverNow() {
  return Date.now() + clockOffset.value;
}

export const isOnline = computed(() => link.value.status === "online");
