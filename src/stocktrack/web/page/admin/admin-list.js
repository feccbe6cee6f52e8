// What an administrator is told by the server, and the commands that do something about it.

import { batch, effect, signal } from "../base/html.js";
import { ask } from "../session/asking.js";
import { isAdmin, phase } from "../session/state.js";

/** The open sessions of all servers, and the name of this page's own; null until they were read. */
export const sessions = signal(null);
export const ownSession = signal("");
/** All accounts; null until they were read. */
export const users = signal(null);
/** The reply to SOURCES; null until it was read. */
export const sources = signal(null);
/** Why something could not be read, or "". */
export const trouble = signal("");
/** Which server did not answer, so that what is shown is not all, or "". */
export const missing = signal("");
/** Why the server tells this login nothing, or "". */
export const refusal = signal("");
/** Whether this login was told something before it was refused. */
export const wasAdmin = signal(false);

// Goes up where what is under way is of a person who has gone.
let life = 0;
const underWay = new Set();

effect(() => {
  if (phase.value === "login") forget();
});

function forget() {
  life += 1;
  underWay.clear();
  batch(() => {
    sessions.value = null;
    ownSession.value = "";
    users.value = null;
    sources.value = null;
    trouble.value = "";
    missing.value = "";
    refusal.value = "";
    wasAdmin.value = false;
  });
}

/** Read the sessions anew; while they are being read nothing else is asked. */
export function readSessions() {
  return reading("sessions", async (isMine) => {
    const { rows, last } = await pages("SESSIONS", { brief: true }, "sessions", ({ session }) => session);
    if (!isMine()) return;
    // The server reckons the moment from the session's age, a millisecond more or less: by that rows would change places.
    const before = new Map((sessions.value ?? []).map((row) => [row.session, row.since]));
    sessions.value = rows.map((row) => ({ ...row, since: before.get(row.session) ?? row.since }));
    ownSession.value = last.own ?? "";
  });
}

/** Read all accounts anew. */
export function readUsers() {
  return reading("users", async (isMine) => {
    const { rows } = await pages("USERS", {}, "users", ({ username }) => username);
    if (isMine()) users.value = rows;
  });
}

/** Read how the sources are, and which symbols each leads. */
export function readSources() {
  return reading("sources", async (isMine) => {
    const reply = await ask("SOURCES", { detail: true });
    if (isMine()) sources.value = reply;
    missing.value = "";
  });
}

/** End one session; what was done, as a sentence. */
export async function kick({ session, username }) {
  const reply = await doing("KICK", { session });
  sessions.value = (sessions.value ?? []).filter((other) => other.session !== session);
  return `The session ${session} of ${reply.username ?? username ?? "nobody"} was ended.`;
}

/** End all sessions of a user but this one; what was done, as a sentence. */
export async function kickAll(username) {
  const { count, message } = await doing("KICK", { username });
  const done = `${count === 1 ? "One session" : `${count} sessions`} of ${username} ${count === 1 ? "was" : "were"} ended.`;
  await readUsers();
  return [done, message].filter(Boolean).join(" ");
}

/** Let a user say nothing for so many minutes, 0 to let the user talk again; till when (epoch milliseconds), if at all. */
export async function mute(username, minutes) {
  const { muted_until: until } = await doing("MUTE", { username, minutes });
  users.value = (users.value ?? []).map((user) => (user.username === username ? { ...user, muted_until: until } : user));
  return until;
}

/** Tell everybody something; {recipients, message} as the server says it. */
export function announceToAll(text) {
  return doing("ANNOUNCE", { text });
}

async function doing(type, fields) {
  try {
    return await ask(type, fields);
  } catch (error) {
    if (isRefused(error)) refuse(error);
    throw error;
  }
}

/** All pages of a reply: its rows, each once, and its last page. */
async function pages(type, fields, list, keyOf) {
  const rows = new Map();
  let last = await ask(type, fields);
  const told = new Set();
  for (;;) {
    for (const row of last[list]) rows.set(keyOf(row), row);
    if (last.message) told.add(last.message);
    if (!last.more || !last[list].length) break;
    last = await ask(type, { ...fields, after: keyOf(last[list].at(-1)) });
  }
  missing.value = [...told].join(" ");
  return { rows: [...rows.values()], last };
}

async function reading(what, read) {
  if (underWay.has(what)) return;
  const mine = life;
  underWay.add(what);
  try {
    await read(() => mine === life);
    if (mine !== life) return;
    batch(() => {
      trouble.value = "";
      refusal.value = "";
      wasAdmin.value = true;
      // Also where somebody became one since the login.
      isAdmin.value = true;
    });
  } catch (error) {
    if (mine !== life) return;
    if (isRefused(error)) refuse(error);
    else trouble.value = error.message;
  } finally {
    if (mine === life) underWay.delete(what);
  }
}

function isRefused(error) {
  return error.reason === "not_permitted";
}

/** What an administrator was told is nothing for whoever is none any more. */
function refuse(error) {
  batch(() => {
    refusal.value = error.message;
    isAdmin.value = false;
    sessions.value = null;
    users.value = null;
    sources.value = null;
    trouble.value = "";
  });
}
