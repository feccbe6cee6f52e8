import { fakeDocument } from "./browser.js";
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { advance, settle } from "./clock.js";
import { FakeServer } from "./fake_socket.js";
import { logIn, logOut, say } from "../../../src/stocktrack/web/page/session/session.js";
import { forgetWords, hasChat, isChatOpen, keepOwn, openChat, takeSaid, unread, unreadShown, words, WORDS_KEPT } from "../../../src/stocktrack/web/page/session/words.js";

const texts = () => words.value.map(({ username, symbol, text, isMine }) => [username, symbol, text, isMine]);
const said = (text, fields = {}) => ({ type: "SAID", code: 100, username: "bob", text, timestamp: 1, ...fields });
let server;

beforeEach(() => {
  server = new FakeServer();
  forgetWords();
});

afterEach(async () => {
  logOut();
  await advance(60_000);
});

test("words are kept in their order, and of very many the last ones", () => {
  for (let number = 0; number < WORDS_KEPT + 5; number += 1) takeSaid(said(String(number)));
  assert.equal(words.value.length, WORDS_KEPT);
  assert.deepEqual([words.value[0].text, words.value.at(-1).text], ["5", String(WORDS_KEPT + 4)]);
  assert.equal(new Set(words.value.map(({ id }) => id)).size, WORDS_KEPT);
});

test("what comes while the chat is closed is counted until it is opened", () => {
  takeSaid(said("one"));
  takeSaid(said("two"));
  assert.deepEqual([unread.value, unreadShown.value], [2, "2"]);
  openChat(true);
  takeSaid(said("three"));
  assert.equal(unread.value, 0);
  for (let number = 0; number < 3; number += 1) keepOwn("mine", null, 1);
  openChat(false);
  for (let number = 0; number < 100; number += 1) takeSaid(said("x"));
  assert.equal(unreadShown.value, "99+");
});

test("a screen reader says what is said while the chat is open, and nothing while it is closed", async () => {
  fakeDocument.announcer.textContent = "";
  takeSaid(said("unheard"));
  await advance(3_000);
  assert.equal(fakeDocument.announcer.textContent, "");
  openChat(true);
  takeSaid(said("Hello."));
  await advance(3_000);
  assert.equal(fakeDocument.announcer.textContent, "bob: Hello.");
});

test("the page has a chat where HELLO says so, and whoever logs out leaves no word behind", async () => {
  await logIn("ann", "a password");
  await settle();
  assert.equal(hasChat.value, false);
  logOut();
  server.hello = { features: ["chat", "later"] };
  await logIn("ann", "a password");
  await settle();
  assert.equal(hasChat.value, true);
  await server.push(said("Hello.", { symbol: "AAPL" }), said("<b>bold</b>"));
  assert.deepEqual(texts(), [["bob", "AAPL", "Hello.", false], ["bob", null, "<b>bold</b>", false]]);
  openChat(true);
  logOut();
  assert.deepEqual([words.value, isChatOpen.value, hasChat.value], [[], false, false]);
});

test("what the person says is sent, and shown as the person's own", async () => {
  server.hello = { features: ["chat"] };
  server.answers.SAY = { recipients: 1 };
  await logIn("ann", "a password");
  await settle();
  await say("Hello.", null);
  await say("What a day!", "AAPL");
  assert.deepEqual(server.asked("SAY").map(({ text, symbol }) => [text, symbol]), [["Hello.", undefined], ["What a day!", "AAPL"]]);
  assert.deepEqual(texts(), [["ann", null, "Hello.", true], ["ann", "AAPL", "What a day!", true]]);
});

test("a word that the server refuses is not shown, and a chat that was switched off goes", async () => {
  server.hello = { features: ["chat"] };
  server.answers.SAY = { code: 429, reason: "rate_limited", message: "You say more than 60 words a minute." };
  await logIn("ann", "a password");
  await settle();
  await assert.rejects(say("Hello.", null), /60 words/);
  assert.deepEqual([words.value, hasChat.value], [[], true]);
  server.answers.SAY = { code: 404, reason: "not_offered", message: "Chat is off." };
  await assert.rejects(say("Hello.", null), /Chat is off/);
  assert.equal(hasChat.value, false);
});
