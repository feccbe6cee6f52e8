import { fakeDocument } from "./browser.js";
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { advance, START_MS } from "./clock.js";
import { alertTaker, announce, dismiss, notify, takeNotice } from "../../../src/stocktrack/web/page/session/notices.js";
import { notices, outages } from "../../../src/stocktrack/web/page/session/state.js";

const dropped = () => assert.fail("no symbol was dropped");
const texts = () => notices.value.map(({ text }) => text);
const said = () => fakeDocument.announcer.textContent;

beforeEach(async () => {
  await advance(60_000);
  notices.value = [];
  outages.value = [];
  fakeDocument.announcer.textContent = "";
});

test("a notice goes by itself after six seconds, or when it is dismissed", async () => {
  notify("one");
  notify("two", { kind: "good" });
  dismiss(notices.value[0].id);
  assert.deepEqual(notices.value.map(({ text, kind }) => [text, kind]), [["two", "good"]]);
  await advance(5_999);
  assert.deepEqual(texts(), ["two"]);
  await advance(1);
  assert.deepEqual(texts(), []);
});

test("of more than three notices the newest three stay", () => {
  for (const text of ["one", "two", "three", "four"]) notify(text);
  assert.deepEqual(texts(), ["two", "three", "four"]);
});

test("what is said at once is said together, and the same words once", async () => {
  announce("AAPL added.");
  announce("MSFT added.");
  announce("AAPL added.");
  await advance(50);
  assert.equal(said(), "MSFT added. AAPL added.");
});

test("what follows waits until the words before have been heard", async () => {
  announce("first");
  await advance(50);
  announce("second");
  await advance(1_999);
  assert.equal(said(), "first");
  await advance(1);
  assert.equal(said(), "second");
});

test("of a flood of words the newest three are said", async () => {
  for (const word of ["a", "b", "c", "d"]) announce(word);
  await advance(50);
  assert.equal(said(), "b c d");
});

test("a source that fails becomes an outage with its next try, and is announced, not shown as a notice", async () => {
  takeNotice({ code: 500, reason: "provider_blocked", message: "Yahoo refuses us.", symbols: ["AAPL"], retry_after_ms: 30_000 }, { dropped });
  assert.equal(outages.value.length, 1);
  const [{ reason, symbols, retryAt }] = outages.value;
  assert.deepEqual([reason, symbols], ["provider_blocked", ["AAPL"]]);
  assert.equal(retryAt, Date.now() + 30_000);
  assert.ok(retryAt > START_MS);
  await advance(50);
  assert.equal(said(), "The price of AAPL is stale. Yahoo refuses us.");
  assert.deepEqual(texts(), []);
});

test("a symbol is in one outage at a time, the newest one", () => {
  takeNotice({ reason: "provider_error", message: "one", symbols: ["AAPL", "MSFT"] }, { dropped });
  takeNotice({ reason: "provider_timeout", message: "two", symbols: ["MSFT"] }, { dropped });
  assert.deepEqual(outages.value.map(({ message, symbols, retryAt }) => [message, symbols, retryAt]), [["one", ["AAPL"], 0], ["two", ["MSFT"], 0]]);
});

test("a restored source takes its symbols out of the outages, and the last one takes the bar away", () => {
  takeNotice({ reason: "provider_error", message: "out", symbols: ["AAPL", "MSFT"] }, { dropped });
  takeNotice({ reason: "provider_restored", message: "Back.", symbols: ["AAPL"] }, { dropped });
  assert.deepEqual(outages.value[0].symbols, ["MSFT"]);
  takeNotice({ reason: "provider_restored", symbols: ["MSFT"] }, { dropped });
  assert.deepEqual(outages.value, []);
  assert.deepEqual(texts(), ["Back. Prices are live.", "The source answers again. Prices are live."]);
});

test("a symbol that turns out unknown is dropped from the board and named", () => {
  const gone = [];
  takeNotice({ code: 404, reason: "unknown_symbol", symbols: ["NOPE"] }, { dropped: (symbols) => gone.push(...symbols) });
  assert.deepEqual(gone, ["NOPE"]);
  assert.deepEqual(notices.value.map(({ text, kind }) => [text, kind]), [["NOPE: No source knows this.", "bad"]]);
});

test("a server that stops is told by the lost connection, not by a notice", () => {
  takeNotice({ code: 501, reason: "shutdown", message: "The server stops." }, { dropped });
  assert.deepEqual(texts(), []);
});

test("any other notice is shown as it is, a bad one as bad, one without words by its reason", () => {
  takeNotice({ code: 100, reason: "announcement", message: "Maintenance at noon." }, { dropped });
  takeNotice({ code: 429, reason: "session_limit" }, { dropped });
  assert.deepEqual(notices.value.map(({ text, kind }) => [text, kind]), [["The administrator says: Maintenance at noon.", "plain"], ["session_limit", "bad"]]);
});

test("what an alert tells goes to whoever takes it, and nowhere else", () => {
  const taken = [];
  const before = alertTaker.take;
  alertTaker.take = (notice) => taken.push(notice.delivery);
  takeNotice({ code: 100, reason: "alert", delivery: "d1", symbols: ["AAPL"], message: "AAPL rose above 200." }, { dropped });
  alertTaker.take = before;
  assert.deepEqual([taken, texts()], [["d1"], []]);
  takeNotice({ code: 100, reason: "alert", delivery: "d1", symbols: ["AAPL"], message: "AAPL rose above 200." }, { dropped });
  assert.deepEqual(texts(), ["AAPL rose above 200."]);
});

test("an announcement stays until it is closed, and gives way to nothing that goes by itself", async () => {
  takeNotice({ code: 100, reason: "announcement", message: "At noon." }, { dropped: () => {} });
  await advance(600_000);
  assert.deepEqual(notices.value.map(({ text }) => text), ["The administrator says: At noon."]);
  for (const word of ["one", "two", "three"]) notify(word);
  assert.deepEqual(notices.value.map(({ text }) => text), ["The administrator says: At noon.", "two", "three"]);
  dismiss(notices.value[0].id);
  for (const text of ["1", "2", "3"]) takeNotice({ code: 100, reason: "announcement", message: text }, { dropped: () => {} });
  notify("new");
  // What is new is seen in any case.
  assert.deepEqual(notices.value.map(({ text }) => text), ["The administrator says: 2", "The administrator says: 3", "new"]);
});
