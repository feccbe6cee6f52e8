// The person's session: logs in, keeps the board what the server says it is, and comes back by itself after a loss.

import { batch } from "./html.js";
import { announce, notify, takeNotice } from "./notices.js";
import {
  besides, chosen, clockOffset, current, isLoaded, link, list, lists, outages, phase, serverNow, stockOf, stocks, unseenAlerts,
  user, view,
} from "./state.js";
import { Stock } from "./stock.js";
import { backOffMs, Disconnected, Failure, LOST, Wire } from "./wire.js";
import { forgetWords, hasChat, keepOwn, takeSaid } from "./words.js";

const TOKEN_KEY = "stocktrack.token";
const TOKEN_DAYS = 7;
const TOKEN_NAME = "page";
const MAIN = "main";
const CLOCK_EVERY_MS = 60_000;

let wire = null;
// How to log in again: {token}, or {username, password} where the server gives no tokens. A password is never stored.
let credentials = null;
// By which this tab's token can be ended; null where there is none, or one that is older than tokens' ids.
let tokenId = null;
// Goes up with each login and logout: what an earlier one still has under way sees by it that it is over.
let life = 0;
let wakeUp = () => {};

/** Go on with the token of this browser tab, if there is one. */
export function resume() {
  const token = sessionStorage.getItem(TOKEN_KEY);
  if (!token) return;
  credentials = { token };
  phase.value = "board";
  live(++life);
}

/** Log in; a Failure or Disconnected says why not. */
export async function logIn(username, password) {
  const mine = ++life;
  link.value = { status: "connecting", retryAt: 0, wasOnline: false };
  let opened = null;
  try {
    opened = await Wire.open(address());
    await opened.ask("AUTH", { username, password }).then(greet);
  } catch (error) {
    opened?.close();
    link.value = { status: "off", retryAt: 0, wasOnline: false };
    throw error;
  }
  credentials = { username, password };
  await keepToken(opened);
  phase.value = "board";
  live(mine, opened);
}

/** Log out, end this tab's token at the server, and forget everything about the person. */
export function logOut() {
  life += 1;
  leave(wire, credentials, tokenId);
  forget("");
}

/** Try to connect now instead of waiting. */
export function reconnectNow() {
  wakeUp();
}

/** Ask the server something; a Failure or Disconnected says why there is no answer. */
export async function ask(type, fields) {
  if (!wire) throw new Disconnected(LOST);
  const mine = wire;
  const reply = await mine.ask(type, fields);
  // Quotes that do not fit on one line come in pages.
  for (let page = reply; page.more && page.quotes?.length; ) {
    page = await mine.ask(type, { ...fields, after: page.quotes.at(-1).symbol });
    reply.quotes.push(...page.quotes);
    reply.missing.push(...(page.missing ?? []));
  }
  return reply;
}

/** Add symbols to the list on the screen; whether all of them are there now. */
export async function add(symbols) {
  const reply = await ask("SUBSCRIBE", { symbols, interval: 0, ...listField() });
  const missing = new Set(reply.missing.map((each) => each.symbol));
  const pending = new Set(reply.pending);
  const next = new Map(stocks.value);
  for (const symbol of [...reply.subscribed, ...reply.already]) {
    if (!next.has(symbol)) next.set(symbol, new Stock(symbol));
    if (pending.has(symbol)) next.get(symbol).lack("pending");
  }
  for (const symbol of pending) {
    if (!next.has(symbol)) next.set(symbol, new Stock(symbol));
    next.get(symbol).lack("pending");
  }
  stocks.value = next;
  if (missing.size) {
    notify(missingWords(reply.missing), { kind: "bad" });
  }
  const added = symbols.filter((symbol) => next.has(symbol));
  if (added.length) {
    announce(`${added.join(", ")} added.`);
    current.value = added[0];
    refresh(added.filter((symbol) => !pending.has(symbol)));
  }
  return missing.size === 0;
}

/** Take a symbol out of the list on the screen, with a way back. */
export async function remove(symbol) {
  try {
    await ask("UNSUBSCRIBE", { symbols: [symbol], ...listField() });
  } catch (error) {
    if (!(error instanceof Failure && error.reason === "not_subscribed")) {
      notify(error.message, { kind: "bad" });
      return;
    }
  }
  drop([symbol]);
  const undo = () => add([symbol]).catch((error) => notify(error.message, { kind: "bad" }));
  notify(`${symbol} removed.`, { action: { label: "Undo", run: undo } });
}

/** Show another of the user's lists; a new name is a list that begins with its first symbol. */
export async function showList(name) {
  if (name === list.value) return;
  const before = [...stocks.value.keys()];
  const hadPanel = chosen.value !== null;
  if (!lists.value.includes(name)) lists.value = [...lists.value, name];
  batch(() => {
    list.value = name;
    chosen.value = null;
    current.value = null;
    isLoaded.value = false;
  });
  try {
    if (before.length) await ask("UNSUBSCRIBE", { symbols: before, save: false });
    await loadOrTell();
    if (hadPanel) chosen.value = stocks.value.keys().next().value ?? null;
  } catch (error) {
    if (error instanceof Failure) notify(error.message, { kind: "bad" });
  }
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

function listField() {
  return list.value === MAIN ? {} : { list: list.value };
}

function greet(reply) {
  user.value = reply.username;
  if (reply.token_id) tokenId = reply.token_id;
}

async function keepToken(opened) {
  if (!opened.hello.auth.includes("token")) return;
  try {
    const { token, token_id: id } = await opened.ask("TOKEN", { days: TOKEN_DAYS, name: TOKEN_NAME });
    credentials = { token };
    tokenId = id ?? null;
    sessionStorage.setItem(TOKEN_KEY, token);
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
      wire = opened;
      wire.onPush = push;
      hasChat.value = opened.hello.features?.includes("chat") ?? false;
      await readClock();
      await loadOrTell();
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
    wire = null;
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

/** Load, and tell what another connection would not mend: the page would come back to the same answer for ever. */
async function loadOrTell() {
  try {
    await load();
  } catch (error) {
    if (!(error instanceof Failure) || error.isRetryable || error.code === 401) throw error;
    // Where no source knows any symbol of the list, its rows say so, and each can be removed.
    for (const { symbol, reason, message } of error.missing) stocks.value.get(symbol)?.lack(reason, message);
    notify(error.message, { kind: "bad" });
  }
}

/** Read the list on the screen and have its prices pushed. */
async function load() {
  const reply = await ask("MY_STOCKS", listField());
  const old = stocks.value;
  const next = new Map(reply.symbols.map((symbol) => [symbol, old.get(symbol) ?? new Stock(symbol)]));
  batch(() => {
    if (reply.lists) {
      const shown = list.value;
      lists.value = reply.lists.includes(shown) ? reply.lists : [...reply.lists, shown];
    }
    stocks.value = next;
    isLoaded.value = true;
    if (chosen.value !== null && !stockOf(chosen.value)) chosen.value = null;
  });
  takeQuotes(reply, { isFresh: true });
  if (reply.symbols.length) {
    const started = await ask("SUBSCRIBE", { interval: 0, ...listField() });
    for (const { symbol, reason, message } of started.missing) stocks.value.get(symbol)?.lack(reason, message);
    for (const symbol of started.pending) stocks.value.get(symbol)?.lack("pending");
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

function push(message) {
  if (message.type === "PRICE") stockOf(message.symbol)?.take(message);
  else if (message.type === "SAID") takeSaid(message);
  else takeNotice(message, { dropped: drop });
}

function drop(symbols) {
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

async function readClock() {
  const asked = Date.now();
  const { timestamp } = await ask("PING");
  clockOffset.value = timestamp - (asked + Date.now()) / 2;
}

/** Which symbols are missing and why: what the server says of one, and those of one reason together. */
function missingWords(missing) {
  const symbols = new Map();
  for (const { symbol, reason, message } of missing) {
    const words = message || reasonWords(reason);
    symbols.set(words, [...(symbols.get(words) ?? []), symbol]);
  }
  return [...symbols].map(([words, those]) => `${those.join(", ")}: ${words}`).join(" ");
}

function reasonWords(reason) {
  if (reason === "unknown_symbol") return "no source knows this symbol.";
  if (reason === "rate_limited") return "you have asked the sources too often; try again in a minute.";
  return `there is no price now (${reason}).`;
}

function forget(why) {
  sessionStorage.removeItem(TOKEN_KEY);
  credentials = null;
  tokenId = null;
  wire = null;
  batch(() => {
    phase.value = "login";
    view.value = "board";
    user.value = "";
    stocks.value = new Map();
    besides.value = new Map();
    unseenAlerts.value = 0;
    lists.value = [];
    list.value = MAIN;
    chosen.value = null;
    current.value = null;
    isLoaded.value = false;
    outages.value = [];
    link.value = { status: "off", retryAt: 0, wasOnline: false };
    forgetWords();
  });
  if (why) notify(why, { kind: "bad" });
}

// When the machine wakes up or has its network back there is no reason to wait out the back-off.
addEventListener("online", () => wakeUp());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) wakeUp();
});
