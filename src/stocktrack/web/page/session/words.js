// What users say to each other: the last words, and how many of them nobody has seen. It knows no elements.

import { announce } from "./notices.js";
import { computed, signal } from "../base/html.js";
import { user } from "./state.js";

/** The most words that are kept; nobody scrolls back further in a corner of the page. */
export const WORDS_KEPT = 100;
/** How long one may be, as the server has it. */
export const MAX_CHARS = 500;

/** Whether the server lets users talk: its HELLO says so, and whoever says something there proves it. */
export const hasChat = signal(false);
/** Whether the person looks at the chat. */
export const isChatOpen = signal(false);
/** The last words, the oldest first: {id, username, symbol, text, timestamp, isMine}. */
export const words = signal([]);
/** How many words came while the chat was closed. */
export const unread = signal(0);
export const unreadShown = computed(() => (unread.value > 99 ? "99+" : String(unread.value)));

let nextId = 1;

/** Take a SAID of the server. */
export function takeSaid({ username, symbol = null, text, timestamp }) {
  hasChat.value = true;
  keep({ username, symbol, text, timestamp, isMine: false });
  if (isChatOpen.value) announce(`${username}: ${text}`);
  else unread.value += 1;
}

/** Show what the person said: the server sends it to the others alone. */
export function keepOwn(text, symbol, timestamp) {
  keep({ username: user.value, symbol, text, timestamp, isMine: true });
}

export function openChat(isOpen) {
  isChatOpen.value = isOpen;
  if (isOpen) unread.value = 0;
}

/** Forget everything, as whoever logs in next is somebody else. */
export function forgetWords() {
  words.value = [];
  unread.value = 0;
  isChatOpen.value = false;
  hasChat.value = false;
}

function keep(word) {
  words.value = [...words.value, { id: nextId++, ...word }].slice(-WORDS_KEPT);
}
