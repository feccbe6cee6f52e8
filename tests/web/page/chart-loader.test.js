import { lastingStorage } from "./browser.js";
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { aPrice, aReply, bar, DAY, MINUTE, OPENS } from "./bars.js";
import { advance, settle } from "./clock.js";
import { FakeServer } from "./fake_socket.js";
import { loadBars } from "../../../src/stocktrack/web/page/chart/chart-loader.js";
import { logIn, logOut } from "../../../src/stocktrack/web/page/session/session.js";
import { stocks } from "../../../src/stocktrack/web/page/session/state.js";

const QUESTION = { range: "1d", intervals: ["5m", "1d"], prepost: false };
let server;
let told;
let stop;

beforeEach(async () => {
  server = new FakeServer();
  server.saved = ["AAPL"];
  server.answers.MY_STOCKS = { symbols: ["AAPL"], quotes: [aPrice(101, 6 * MINUTE)], missing: [], lists: ["main"] };
  told = [];
  await logIn("ann", "a password");
  await settle();
});

afterEach(async () => {
  stop?.();
  logOut();
  await advance(60_000);
  lastingStorage.removeItem("stocktrack.token:/board/");
});

const stock = () => stocks.value.get("AAPL");
const kinds = () => told.map(({ kind }) => kind);

function load(question = QUESTION) {
  stop = loadBars(stock(), question, (outcome) => told.push(outcome));
}

function answer(fields, question = 0) {
  server.socket.say({ type: "HISTORY", id: server.asked("HISTORY")[question].id, code: 200, ...fields });
  return settle();
}

test("a quick answer needs no word about loading", async () => {
  server.answers.HISTORY = aReply([100, 101]);
  load();
  await advance(1_000);
  assert.deepEqual(kinds(), ["bars"]);
});

test("a slow one is said to be loading", async () => {
  load();
  await advance(149);
  assert.deepEqual(kinds(), []);
  await advance(1);
  assert.deepEqual(kinds(), ["loading"]);
  await answer(aReply([100, 101]));
  assert.deepEqual(kinds(), ["loading", "bars"]);
});

test("a late answer to what is wanted no longer is not told, and does not follow the prices", async () => {
  load();
  await settle();
  stop();
  await answer(aReply([100, 101]));
  await advance(1_000);
  assert.deepEqual([kinds(), stock().followers.size], [[], 0]);
});

test("the bars follow the prices until the end", async () => {
  server.answers.HISTORY = aReply([100, 101]);
  load();
  await settle();
  const { priceBars } = told[0];
  await server.push(aPrice(105, 7 * MINUTE, { seq: 2 }));
  assert.equal(priceBars.last.close, 105);
  stop();
  await server.push(aPrice(106, 8 * MINUTE, { seq: 3 }));
  assert.deepEqual([priceBars.last.close, stock().followers.size], [105, 0]);
});

test("each failure is told for what it is", async () => {
  const failures = [
    [{ code: 400, reason: "unknown_command" }, "session"],
    [{ code: 404, reason: "not_offered" }, "session"],
    [{ code: 404, reason: "no_history" }, "empty"],
    [{ code: 400, reason: "range_limit" }, "empty"],
    [{ code: 500, reason: "provider_error", retryable: true }, "failed"],
    [{ code: 501, reason: "shutdown" }, "failed"],
  ];
  for (const [failure, kind] of failures) {
    told = [];
    server.answers.HISTORY = { ...failure, message: "A sentence." };
    load();
    await settle();
    stop();
    assert.equal(told[0].kind, kind, failure.reason);
    if (kind !== "session") assert.equal(told[0].message, "A sentence.");
  }
});

test("a reply without bars is empty in words", async () => {
  server.answers.HISTORY = aReply([]);
  load();
  await settle();
  assert.deepEqual(told, [{ kind: "empty", message: "There are no past prices of AAPL in this range." }]);
});

test("what has one price a day has no chart of a day, and one of a month", async () => {
  server.answers.HISTORY = ({ interval }) => (interval === "1d" ? aReply([], { interval: "1d", bars: [bar(OPENS, 100)] }) : { code: 400, reason: "range_limit", message: "Once a day." });
  load();
  await settle();
  stop();
  load({ range: "1mo", intervals: ["30m", "1d"], prepost: false });
  await settle();
  assert.deepEqual(kinds(), ["daily", "bars"]);
});

test("it is tried again after the time that the server names", async () => {
  server.answers.HISTORY = { code: 429, reason: "rate_limited", message: "Too often.", retryable: true, retry_after_ms: 5_000 };
  load();
  await settle();
  server.answers.HISTORY = aReply([100]);
  await advance(5_000);
  assert.deepEqual(kinds(), ["failed", "bars"]);
});

test("another day of the market is asked for once a minute at most, without a word about loading", async () => {
  server.answers.HISTORY = aReply([100, 101]);
  load();
  await settle();
  await server.push(aPrice(110, 3 * DAY, { seq: 2 }));
  await advance(30_000);
  assert.deepEqual(kinds(), ["bars"]);
  await advance(31_000);
  assert.deepEqual(kinds(), ["bars", "bars"]);
  await advance(30_000);
  assert.equal(server.asked("HISTORY").length, 2);
});

test("where another day cannot be had it is asked for once a minute, too", async () => {
  server.answers.HISTORY = aReply([100, 101]);
  load();
  await settle();
  server.answers.HISTORY = { code: 500, reason: "provider_error", message: "Out of order.", retryable: true };
  await server.push(aPrice(110, 3 * DAY, { seq: 2 }));
  await advance(130_000);
  assert.equal(server.asked("HISTORY").length, 3);
  assert.deepEqual(kinds(), ["bars", "failed", "failed"]);
});

test("that the newest bars may be missing is told with its reason", async () => {
  server.answers.HISTORY = aReply([100], { stale: true, stale_reason: "provider_timeout" });
  load();
  await settle();
  assert.equal(told[0].staleReason, "provider_timeout");
});
