// The person's session: logs in, keeps the board what the server says it is, and comes back by itself after a loss.

import { ask, askOver } from "./asking.js";
import { batch } from "../base/html.js";
import { keep, kept, onChange, unkeep } from "./kept-login.js";
import { follow as followLists, takeListNews } from "./lists.js";
import { announce, notify, takeNotice } from "./notices.js";
import { drop, loadOrTell, MAIN } from "./shown-list.js";
import {
  besides, chosen, clockOffset, current, isAdmin, isLoaded, link, list, lists, notices, outages, phase, serverNow, stockOf, stocks, unread, unseenAlerts,
  user, view,
} from "./state.js";
import { backOffMs, Failure, Wire } from "./wire.js";
import { forgetWords, hasChat, keepOwn, takeSaid } from "./words.js";

const TOKEN_DAYS = 7;
const TOKEN_NAME = "page";
const CLOCK_EVERY_MS = 60_000;

let wire = null;
// How to log in again: {token}, or {username, password} where the server gives no tokens. A password is never stored.
let credentials = null;
// Whether the token is that of all tabs; else, where a browser keeps nothing, it is this one's alone.
let isShared = false;
let isLoggingIn = false;
// By which the token can be ended; null where there is none, or one that is older than tokens' ids.
let tokenId = null;
// Goes up with each login and logout: what an earlier one still has under way sees by it that it is over.
let life = 0;
let wakeUp = () => {};

/** Go on with the login of this browser, if there is one. */
export function resume() {
  const token = kept();
  if (!token) return;
  credentials = { token };
  isShared = true;
  phase.value = "board";
  live(++life);
}

/** Log in; a Failure or Disconnected says why not. */
export async function logIn(username, password) {
  const mine = ++life;
  link.value = { status: "connecting", retryAt: 0, wasOnline: false };
  let opened = null;
  isLoggingIn = true;
  try {
    opened = await Wire.open(address());
    await opened.ask("AUTH", { username, password }).then(greet);
    credentials = { username, password };
    await keepToken(opened);
  } catch (error) {
    opened?.close();
    link.value = { status: "off", retryAt: 0, wasOnline: false };
    throw error;
  } finally {
    isLoggingIn = false;
  }
  phase.value = "board";
  live(mine, opened);
}

/** Log out in all tabs, end their token at the server, and forget everything about the person. */
export function logOut() {
  life += 1;
  const last = [wire, credentials, tokenId];
  forget(""); // first, so that the other tabs know of it before the server ends their sessions
  leave(...last);
}

/** Try to connect now instead of waiting. */
export function reconnectNow() {
  wakeUp();
}

/** Say something to those who are pushed `symbol`, or to all where it is null. */
export async function say(text, symbol) {
  try {
    await ask("SAY", { text, ...(symbol === null ? {} : { symbol }) });
  } catch (error) {
    // The operator switched it off while the page was open.
    if (error instanceof Failure && error.reason === "not_offered") hasChat.value = false;
    throw error;
  }
  keepOwn(text, symbol, serverNow());
}

function address() {
  const url = new URL("ws", document.baseURI);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url;
}

/** End the token and the session; without a connection one is made for that, once. */
async function leave(opened, held, id) {
  let last = opened;
  try {
    let token = id;
    if (!last && held?.token) {
      last = await Wire.open(address());
      token = (await last.ask("AUTH", { token: held.token })).token_id;
    }
    if (token) await last?.ask("REVOKE", { token_id: token }).catch(() => {});
    await last?.ask("LOGOUT");
  } catch {
    // The server can't be told: the token ends with its days, or by the person from elsewhere.
  } finally {
    last?.close();
  }
}

/** Ask over this connection from now on, or over none. */
function use(opened) {
  wire = opened;
  askOver(opened);
}

function greet(reply) {
  user.value = reply.username;
  isAdmin.value = reply.is_admin === true && reply.scope !== "read";
  if (reply.token_id) tokenId = reply.token_id;
}

async function keepToken(opened) {
  if (!opened.hello.auth.includes("token")) return;
  try {
    const { token, token_id: id } = await opened.ask("TOKEN", { days: TOKEN_DAYS, name: TOKEN_NAME });
    credentials = { token };
    tokenId = id ?? null;
    isShared = keep(token);
  } catch {
    // Without one the person types the password again after a reload.
  }
}

/** Keep a connection until the person logs out; `loggedIn` is the first one, where there is one already. */
async function live(mine, loggedIn = null) {
  let opened = loggedIn;
  let attempt = 0;
  while (mine === life) {
    try {
      opened ??= await connect();
      if (mine !== life) {
        opened.close();
        return;
      }
      use(opened);
      wire.onPush = push;
      hasChat.value = opened.hello.features?.includes("chat") ?? false;
      await readClock();
      // Before the list is read, so that nothing that others change meanwhile goes unseen: commands run in their order.
      followLists();
      await loadOrTell({ isFresh: true });
      online();
      attempt = 0;
      const clock = setInterval(() => readClock().catch(() => {}), CLOCK_EVERY_MS);
      await wire.ended;
      clearInterval(clock);
    } catch (error) {
      opened?.close();
      if (mine !== life) return;
      if (isRefusal(error)) {
        forget("Please log in again: your login is not valid any more.");
        return;
      }
      attempt = Math.max(attempt, 1);
      if (error.retryAfterMs) await pause(error.retryAfterMs, mine);
    }
    if (mine !== life) return;
    const word = wire?.lastWord;
    use(null);
    opened = null;
    lost();
    // A server that stops says when it hopes to be back; all its clients heard that, so each takes its own time.
    const announced = attempt === 0 && word?.reason === "shutdown" ? (word.retry_after_ms ?? 0) * (1 + Math.random() / 4) : 0;
    await pause(Math.max(announced, backOffMs(attempt)), mine);
    attempt += 1;
  }
}

async function connect() {
  link.value = { ...link.value, status: "connecting" };
  const opened = await Wire.open(address());
  try {
    await opened.ask("AUTH", credentials).then(greet);
  } catch (error) {
    opened.close();
    throw error;
  }
  return opened;
}

function isRefusal(error) {
  return error instanceof Failure && error.code === 401 && error.reason !== "auth_timeout";
}

function online() {
  const wasOnline = link.value.wasOnline;
  link.value = { status: "online", retryAt: 0, wasOnline: true };
  if (wasOnline) notify("Connected again. Prices are live.", { kind: "good" });
}

function lost() {
  if (link.value.status === "online") announce("The connection is lost. Trying to connect again.");
  outages.value = [];
}

async function pause(ms, mine) {
  if (mine !== life) return;
  link.value = { ...link.value, status: "waiting", retryAt: Date.now() + ms };
  await new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    wakeUp = () => {
      clearTimeout(timer);
      resolve();
    };
  });
  wakeUp = () => {};
}

function push(message) {
  if (message.type === "PRICE") stockOf(message.symbol)?.take(message);
  else if (message.type === "SAID") takeSaid(message);
  else if (message.reason === "lists_changed") takeListNews(message);
  else takeNotice(message, { dropped: drop });
}

async function readClock() {
  const asked = Date.now();
  const { timestamp } = await ask("PING");
  clockOffset.value = timestamp - (asked + Date.now()) / 2;
}

/** Do what another tab has done: log out, log in, or go on as somebody else. */
function follow(token) {
  const mine = credentials?.token;
  // A login that is under way here is what the other tabs will follow.
  if (isLoggingIn || token === (mine ?? null) || (credentials !== null && !isShared)) return;
  life += 1;
  wakeUp();
  // Whoever logged out there ends the token; whoever logged in anew does not.
  const last = token === null ? [wire] : [wire, credentials, tokenId];
  forget(token === null ? "You were logged out in another tab." : "");
  leave(...last);
  resume();
}

function forget(why) {
  unkeep(credentials?.token);
  credentials = null;
  isShared = false;
  tokenId = null;
  use(null);
  batch(() => {
    phase.value = "login";
    view.value = "board";
    user.value = "";
    isAdmin.value = false;
    // What was said to this person is nothing for the next one, and an Undo would change the next one's lists.
    notices.value = [];
    stocks.value = new Map();
    besides.value = new Map();
    unseenAlerts.value = 0;
    lists.value = [];
    list.value = MAIN;
    chosen.value = null;
    current.value = null;
    isLoaded.value = false;
    unread.value = null;
    outages.value = [];
    link.value = { status: "off", retryAt: 0, wasOnline: false };
    forgetWords();
  });
  if (why) notify(why, { kind: "bad" });
}

onChange(follow);

// When the machine wakes up or has its network back there is no reason to wait out the back-off.
addEventListener("online", () => wakeUp());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) wakeUp();
});
