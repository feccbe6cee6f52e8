import "./browser.js";
import assert from "node:assert/strict";
import { test } from "node:test";

import * as words from "../../../src/stocktrack/web/page/admin/admin-words.js";

const session = (fields = {}) => ({ session: "s7", username: "ann", address: "192.0.2.7", door: "tcp", since: 1_000, symbols: [], symbol_count: 2, behind: 0, idle_seconds: 4, ...fields });
const account = (fields = {}) => ({ username: "ann", created_at: 1, is_admin: false, is_disabled: false, saved_count: 0, tokens: 0, sessions: 0, ...fields });
const names = (rows) => rows.map((row) => row.session ?? row.username);

test("a session's door is told in words, and its server stands in its name", () => {
  assert.deepEqual(["tcp", "web", "rest", "socketio", "memory"].map(words.doorWord), ["TCP", "Web socket", "REST", "Socket.IO", "memory"]);
  assert.deepEqual(["s7", "s7-k3f9x", "s12-a-b"].map(words.serverOf), ["", "k3f9x", "a-b"]);
});

test("bytes are short, from nothing to very much", () => {
  assert.deepEqual([0, 999, 1_000, 123_456, 1_000_000, 12_340_000].map(words.bytes), ["0 B", "999 B", "1 kB", "123 kB", "1.0 MB", "12.3 MB"]);
  assert.deepEqual([words.counted(1, "session"), words.counted(2_000, "session"), words.counted(0, "account")], ["1 session", "2,000 sessions", "0 accounts"]);
});

test("the filter takes every word, wherever it stands and however it is written", () => {
  const rows = [session(), session({ session: "s8", username: undefined, address: "2001:db8::1", door: "web" }), session({ session: "s9", username: "Bob" })];
  const by = { key: "session", isDescending: false };
  const shown = (text) => names(words.shownSessions(rows, text, by));
  assert.deepEqual(shown(""), ["s7", "s8", "s9"]);
  assert.deepEqual(shown("  BOB tcp "), ["s9"]);
  assert.deepEqual(shown("web socket"), ["s8"]);
  assert.deepEqual(shown("nobody 2001:DB8"), ["s8"]);
  assert.deepEqual(shown("carol"), []);
});

test("sessions sort by numbers as numbers, and what is alike stays in its order", () => {
  const rows = [session({ session: "s10", idle_seconds: 3 }), session({ session: "s9", idle_seconds: 3 }), session({ session: "s2", idle_seconds: undefined })];
  const sorted = (key, isDescending) => names(words.shownSessions(rows, "", { key, isDescending }));
  assert.deepEqual(sorted("session", false), ["s2", "s9", "s10"]);
  assert.deepEqual(sorted("idle", false), ["s2", "s10", "s9"]);
  assert.deepEqual(sorted("idle", true), ["s10", "s9", "s2"]);
  // Nothing of the list itself is moved.
  assert.deepEqual(names(rows), ["s10", "s9", "s2"]);
  assert.equal(words.symbolCount({ symbols: ["A", "B"] }), 2);
});

test("accounts are found by role and state, and administrators sort first", () => {
  const rows = [account(), account({ username: "bob", is_disabled: true }), account({ username: "root", is_admin: true, sessions: 11 }), account({ username: "eve", muted_until: 5, sessions: 2 })];
  const shown = (text, key = "user", isDescending = false) => names(words.shownUsers(rows, text, { key, isDescending }));
  assert.deepEqual(shown("", "role"), ["root", "ann", "bob", "eve"]);
  assert.deepEqual(shown("", "sessions", true), ["root", "eve", "ann", "bob"]);
  assert.deepEqual(shown("", "state", true), ["bob", "eve", "ann", "root"]);
  assert.deepEqual([shown("administrator"), shown("muted"), shown("shut out")], [["root"], ["eve"], ["bob"]]);
  assert.equal(words.stateWords(account({ is_disabled: true, muted_until: Date.UTC(2026, 0, 2) })).startsWith("shut out, muted until"), true);
});

test("a heading that is pressed again turns the order round", () => {
  const first = { key: "user", isDescending: false };
  assert.deepEqual(words.nextSort(first, "user"), { key: "user", isDescending: true });
  assert.deepEqual(words.nextSort({ key: "user", isDescending: true }, "since"), { key: "since", isDescending: false });
});

test("every state of a source has words and a mood, and one that is new is told as it is", () => {
  const states = ["ok", "failing", "blocked", "waiting", "not_offered", "unused", "melted"];
  assert.deepEqual(states.map(words.sourceState), ["Well", "Failing", "Refuses us", "Waits for its key", "Cannot be used", "Not asked yet", "melted"]);
  assert.deepEqual(states.map(words.mood), ["good", "bad", "bad", "bad", "bad", "plain", "bad"]);
  assert.deepEqual(["opening", "ok", "failing", "melted"].map(words.sinkState), ["Connecting", "Well", "Failing", "melted"]);
});

test("budget, stream and next try are told with their figures", () => {
  assert.equal(words.budgetWords({ used: 1_200, limit: 6_000, seconds: 60 }), "1,200 of 6,000 requests in the last 60 s");
  assert.equal(words.streamWords({ is_up: true, symbols: 50, places: 50 }), "up, 50 of 50 places taken");
  assert.equal(words.streamWords({ is_up: true, symbols: 1 }), "up, carries 1 symbol");
  assert.equal(words.streamWords({ is_up: false, symbols: 0, places: 50 }), "down, has 50 places");
  assert.equal(words.streamWords({ is_up: false, symbols: 0 }), "down");
  assert.deepEqual([words.nextTry(undefined, 0), words.nextTry(500, 1_000), words.nextTry(31_000, 1_000)], ["", "now", "in 30s"]);
});

test("who leads what says how many are not named, and nothing where the server does not tell", () => {
  assert.deepEqual(words.ledBy({ leads: 5 }), []);
  assert.deepEqual(words.ledBy({ leads: 0, streamed: [], polled: [] }), []);
  assert.deepEqual(words.ledBy({ leads: 812, stream: { is_up: true, symbols: 500 }, streamed: ["A", "B"], polled: ["C"] }),
    [["By its stream", ["A", "B"], 498], ["Asked for again and again", ["C"], 311]]);
  assert.deepEqual(words.ledBy({ leads: 3, streamed: [], polled: ["C", "D", "E"] }), [["Asked for again and again", ["C", "D", "E"], 0]]);
});

test("an announcement is one line, and is counted as the server counts it", () => {
  assert.equal(words.announcement("  At noon,\n\n the  server\trestarts. "), "At noon, the server restarts.");
  assert.equal(words.announcementLength("🐎".repeat(500)), 500);
  assert.deepEqual([" \n", "x", "x".repeat(500), "x".repeat(501)].map(words.announcementTrouble),
    ["Write something first.", "", "", "These are 501 characters; at most 500 are allowed."]);
});
