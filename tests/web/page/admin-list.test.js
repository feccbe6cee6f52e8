import { lastingStorage } from "./browser.js";
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { advance, settle } from "./clock.js";
import { FakeServer } from "./fake_socket.js";
import * as admin from "../../../src/stocktrack/web/page/admin/admin-list.js";
import { logIn, logOut } from "../../../src/stocktrack/web/page/session/session.js";
import { isAdmin, notices } from "../../../src/stocktrack/web/page/session/state.js";

const REFUSED = { code: 401, reason: "not_permitted", message: "SESSIONS is for administrators." };
let server;

beforeEach(async () => {
  server = new FakeServer();
  server.answers.AUTH = ({ username }) => ({ username, symbols: [], is_admin: true });
  server.answers.SESSIONS = { sessions: [{ session: "s1", since: 5 }, { session: "s2", since: 7 }], count: 2, more: false, own: "s2" };
  server.answers.USERS = { users: [{ username: "ann" }], count: 1, more: false };
  server.answers.SOURCES = { sources: [] };
  await logIn("ann", "a password");
  await settle();
});

afterEach(async () => {
  logOut();
  await advance(60_000);
  lastingStorage.removeItem("stocktrack.token:/board/");
  notices.value = [];
});

const listed = () => admin.sessions.value?.map(({ session }) => session);

test("who is an administrator is what the login says, but not in a session for reading", async () => {
  assert.equal(isAdmin.value, true);
  logOut();
  assert.equal(isAdmin.value, false);
  server.answers.AUTH = { username: "ann", symbols: [], is_admin: true, scope: "read" };
  await logIn("ann", "a password");
  assert.equal(isAdmin.value, false);
  logOut();
  server.answers.AUTH = { username: "bob", symbols: [] };
  await logIn("bob", "a password");
  assert.equal(isAdmin.value, false);
});

test("sessions are asked for in brief, in all their pages, each once, and the own one is known", async () => {
  server.answers.SESSIONS = ({ after }) => (after ? { sessions: [{ session: "s2", since: 7 }, { session: "s3", since: 9 }], more: false, own: "s3" } : { sessions: [{ session: "s1", since: 5 }, { session: "s2", since: 7 }], more: true, own: "s3" });
  await admin.readSessions();
  assert.deepEqual(server.asked("SESSIONS").map(({ brief, after }) => [brief, after]), [[true, undefined], [true, "s2"]]);
  assert.deepEqual([listed(), admin.ownSession.value], [["s1", "s2", "s3"], "s3"]);
});

test("a session's moment stays what it was told first, so that no row changes places by a millisecond", async () => {
  await admin.readSessions();
  server.answers.SESSIONS = { sessions: [{ session: "s1", since: 6 }, { session: "s2", since: 6 }, { session: "s4", since: 8 }], more: false, own: "s2" };
  await admin.readSessions();
  assert.deepEqual(admin.sessions.value.map(({ since }) => since), [5, 7, 8]);
});

test("while one reading is under way no other one is asked for", async () => {
  const both = [admin.readSessions(), admin.readSessions()];
  await Promise.all(both);
  assert.equal(server.asked("SESSIONS").length, 1);
  await admin.readSessions();
  assert.equal(server.asked("SESSIONS").length, 2);
});

test("where a server did not answer, that is told until all do", async () => {
  server.answers.USERS = { users: [], count: 0, more: false, partial: true, message: "A server did not answer." };
  await admin.readUsers();
  assert.equal(admin.missing.value, "A server did not answer.");
  server.answers.USERS = { users: [], count: 0, more: false };
  await admin.readUsers();
  assert.equal(admin.missing.value, "");
});

test("what cannot be read is told, and what was read before stays", async () => {
  await admin.readSessions();
  server.answers.SESSIONS = { code: 500, reason: "storage_error", message: "The database is away." };
  await admin.readSessions();
  assert.deepEqual([admin.trouble.value, admin.refusal.value, listed()], ["The database is away.", "", ["s1", "s2"]]);
});

test("who is refused is told so, has nothing of it any more, and is let in when the server says so", async () => {
  await admin.readSessions();
  server.answers.SESSIONS = REFUSED;
  await admin.readSessions();
  assert.deepEqual([admin.refusal.value, admin.wasAdmin.value, admin.sessions.value, isAdmin.value], ["SESSIONS is for administrators.", true, null, false]);
  server.answers.SESSIONS = { sessions: [], count: 0, more: false };
  await admin.readSessions();
  assert.deepEqual([admin.refusal.value, isAdmin.value, listed()], ["", true, []]);
});

test("a kick that the server refuses takes the role away here too, and one that is done says what", async () => {
  await admin.readSessions();
  server.answers.KICK = { session: "s1", username: "bob", count: 1 };
  assert.equal(await admin.kick({ session: "s1", username: "bob" }), "The session s1 of bob was ended.");
  assert.deepEqual(listed(), ["s2"]);
  server.answers.KICK = { username: "bob", count: 3, partial: true, message: "A server did not answer." };
  assert.equal(await admin.kickAll("bob"), "3 sessions of bob were ended. A server did not answer.");
  server.answers.KICK = REFUSED;
  await assert.rejects(admin.kick({ session: "s2" }), { message: REFUSED.message });
  assert.equal(isAdmin.value, false);
});

test("a mute is seen at the user at once, and so is its end", async () => {
  await admin.readUsers();
  server.answers.MUTE = { username: "ann", muted_until: 99 };
  assert.equal(await admin.mute("ann", 10), 99);
  assert.deepEqual(admin.users.value, [{ username: "ann", muted_until: 99 }]);
  server.answers.MUTE = { username: "ann" };
  assert.equal(await admin.mute("ann", 0), undefined);
  assert.deepEqual(admin.users.value, [{ username: "ann", muted_until: undefined }]);
  assert.deepEqual(server.asked("MUTE").map(({ username, minutes }) => [username, minutes]), [["ann", 10], ["ann", 0]]);
});

test("the next person sees nothing of it, also of what was under way", async () => {
  await admin.readSources();
  server.answers.SESSIONS = undefined;
  admin.readSessions();
  logOut();
  assert.deepEqual([admin.sessions.value, admin.sources.value, admin.wasAdmin.value], [null, null, false]);
  await settle();
  assert.deepEqual([admin.trouble.value, isAdmin.value], ["", false]);
});
