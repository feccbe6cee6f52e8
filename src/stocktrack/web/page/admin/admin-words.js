// What the administrator's part of the page says of sessions, accounts and sources, and in which order. No elements.

import * as format from "../figures/format.js";

/** The most characters of an announcement, counted as the server counts them. */
export const MAX_ANNOUNCEMENT_CHARS = 500;

const DOORS = { tcp: "TCP", web: "Web socket", rest: "REST", socketio: "Socket.IO" };

/** The way by which a session came, in words; "memory" and what is yet to come are told as they are. */
export function doorWord(door) {
  return DOORS[door] ?? door;
}

/** The server in a session's name, where several know of each other; else "". */
export function serverOf(session) {
  return /^s\d+-(.+)$/.exec(session)?.[1] ?? "";
}

/** Bytes that wait for a client, short. */
export function bytes(count) {
  if (count < 1_000) return `${count} B`;
  return count < 1_000_000 ? `${Math.round(count / 1_000)} kB` : `${(count / 1_000_000).toFixed(1)} MB`;
}

/** "1 session", "2,000 sessions". */
export function counted(count, one, many = `${one}s`) {
  return `${count.toLocaleString()} ${count === 1 ? one : many}`;
}

/** Whose a session is: a name, or that nobody has logged in. */
export function whose({ username }) {
  return username ?? "nobody yet";
}

/** The names by which the columns of the sessions can be sorted, each with what it sorts by. */
const SESSION_KEYS = {
  user: ({ username }) => username ?? "",
  session: ({ session }) => Number(/\d+/.exec(session)[0]),
  door: ({ door }) => doorWord(door),
  from: ({ address }) => address,
  since: ({ since }) => since,
  idle: ({ idle_seconds: seconds }) => seconds ?? -1,
  symbols: symbolCount,
  behind: ({ behind }) => behind,
  server: ({ session }) => serverOf(session),
};
const USER_KEYS = {
  user: ({ username }) => username,
  role: ({ is_admin: isAdmin }) => (isAdmin ? 0 : 1),
  sessions: ({ sessions }) => sessions,
  saved: ({ saved_count: count }) => count,
  tokens: ({ tokens }) => tokens,
  since: ({ created_at: at }) => at,
  state: (user) => (user.is_disabled ? 2 : user.muted_until === undefined ? 0 : 1),
};

/** How many symbols a session is pushed; a server of another version lists them without counting. */
export function symbolCount({ symbol_count: count, symbols }) {
  return count ?? symbols.length;
}

/** The sessions that have every word of `text` somewhere, sorted: `sort` is {key, isDescending}. */
export function shownSessions(sessions, text, sort) {
  const words = (session) => `${whose(session)} ${session.session} ${doorWord(session.door)} ${session.door} ${session.address}`;
  return sorted(found(sessions, text, words), SESSION_KEYS[sort.key], sort.isDescending);
}

/** The accounts in the same way. */
export function shownUsers(users, text, sort) {
  return sorted(found(users, text, (user) => `${user.username} ${roleWord(user)} ${stateWords(user)}`), USER_KEYS[sort.key], sort.isDescending);
}

function found(rows, text, wordsOf) {
  const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (!wanted.length) return rows;
  return rows.filter((row) => {
    const words = wordsOf(row).toLowerCase();
    return wanted.every((word) => words.includes(word));
  });
}

const alphabet = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

function sorted(rows, keyOf, isDescending) {
  const keyed = rows.map((row) => [keyOf(row), row]);
  // Sorting keeps the order of what is alike, so that nothing jumps at a refresh.
  keyed.sort(([a], [b]) => (typeof a === "number" ? a - b : alphabet.compare(a, b)) * (isDescending ? -1 : 1));
  return keyed.map(([, row]) => row);
}

/** What a click on a column's heading makes of the order: the column, or the other way round. */
export function nextSort(sort, key) {
  return sort.key === key ? { key, isDescending: !sort.isDescending } : { key, isDescending: false };
}

/** What a user is. */
export function roleWord({ is_admin: isAdmin }) {
  return isAdmin ? "Administrator" : "User";
}

/** What a user may not do at the moment, or "". */
export function stateWords({ is_disabled: isDisabled, muted_until: until }) {
  const words = [];
  if (isDisabled) words.push("shut out");
  if (until !== undefined) words.push(`muted until ${format.dateAndTime(until)}`);
  return words.join(", ");
}

const SOURCE_STATES = {
  ok: "Well", failing: "Failing", blocked: "Refuses us", waiting: "Waits for its key", not_offered: "Cannot be used", unused: "Not asked yet",
};
const SINK_STATES = { opening: "Connecting", ok: "Well", failing: "Failing" };

/** How a source is, in a word or three. */
export function sourceState(state) {
  return SOURCE_STATES[state] ?? state;
}

/** How a sink is. */
export function sinkState(state) {
  return SINK_STATES[state] ?? state;
}

/** How a source or a sink is at a glance: "good", "bad" or "plain". */
export function mood(state) {
  if (state === "ok") return "good";
  return state === "unused" || state === "opening" ? "plain" : "bad";
}

/** When it is asked again, "" where that is not known; times in epoch milliseconds. */
export function nextTry(at, now) {
  if (at === undefined) return "";
  const seconds = Math.ceil((at - now) / 1_000);
  return seconds <= 0 ? "now" : `in ${format.lasting(seconds)}`;
}

/** "12 of 60 requests in the last 60 s". */
export function budgetWords({ used, limit, seconds }) {
  return `${used.toLocaleString()} of ${limit.toLocaleString()} requests in the last ${seconds.toLocaleString()} s`;
}

/** What a stream does: "up, 50 of 50 places". */
export function streamWords({ is_up: isUp, symbols, places }) {
  if (!isUp) return places === undefined ? "down" : `down, has ${counted(places, "place")}`;
  return places === undefined ? `up, carries ${counted(symbols, "symbol")}` : `up, ${symbols.toLocaleString()} of ${counted(places, "place")} taken`;
}

/** Which symbols a source leads: [[how, symbols, how many more]]; none where it leads none, or the server does not tell. */
export function ledBy({ leads, stream, streamed, polled }) {
  if (streamed === undefined || polled === undefined) return [];
  // What the stream leads while it is down is counted by the source alone.
  const ofStream = stream?.is_up ? Math.max(stream.symbols, streamed.length) : streamed.length;
  const rest = Math.max(0, leads - ofStream);
  return [
    ["By its stream", streamed, Math.max(0, ofStream - streamed.length)],
    ["Asked for again and again", polled, Math.max(0, rest - polled.length)],
  ].filter(([, symbols]) => symbols.length);
}

/** An announcement as it is sent: one line. */
export function announcement(text) {
  return text.replace(/\s+/g, " ").trim();
}

/** How long an announcement is, as the server counts. */
export function announcementLength(text) {
  return [...announcement(text)].length;
}

/** What is wrong with an announcement, or "". */
export function announcementTrouble(text) {
  const length = announcementLength(text);
  if (length === 0) return "Write something first.";
  return length > MAX_ANNOUNCEMENT_CHARS ? `These are ${length} characters; at most ${MAX_ANNOUNCEMENT_CHARS} are allowed.` : "";
}
