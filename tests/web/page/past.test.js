import { tabStorage } from "./browser.js";
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { aReply, bar, MINUTE, OPENS } from "./bars.js";
import { advance, settle } from "./clock.js";
import { FakeServer } from "./fake_socket.js";
import { askBars, isChartWaiting, isWithoutPast } from "../../../src/stocktrack/web/page/session/past.js";
import { logIn, logOut } from "../../../src/stocktrack/web/page/session/session.js";
import { Failure } from "../../../src/stocktrack/web/page/session/wire.js";

const LIMIT = { code: 400, reason: "range_limit", message: "Yahoo has no 1-minute bars older than 30 days." };
const QUESTION = { range: "1d", intervals: ["2m", "5m", "15m"], prepost: false };
let server;

beforeEach(async () => {
  server = new FakeServer();
  await logIn("ann", "a password");
  await settle();
});

afterEach(async () => {
  logOut();
  await advance(60_000);
  tabStorage.removeItem("stocktrack.token");
});

const asked = () => server.asked("HISTORY").map(({ range, interval, start, prepost }) => ({ range, interval, start, prepost }));

test("a range is asked for in the bars that are wanted", async () => {
  server.answers.HISTORY = aReply([100, 101]);
  const reply = await askBars("AAPL", QUESTION);
  assert.deepEqual(reply.bars.map(({ close }) => close), [100, 101]);
  assert.deepEqual(asked(), [{ range: "1d", interval: "2m", start: undefined, prepost: undefined }]);
});

test("43,000 bars come in pages, each from behind the last one on, without a range", async () => {
  const all = Array.from({ length: 43_000 }, (_, place) => bar(OPENS + place * MINUTE, place));
  server.answers.HISTORY = ({ start }) => {
    const from = start === undefined ? 0 : all.findIndex(({ time }) => time >= start);
    return aReply([], { bars: all.slice(from, from + 2_400), more: from + 2_400 < all.length });
  };
  const reply = await askBars("AAPL", { ...QUESTION, prepost: true });
  assert.deepEqual([reply.bars.length, reply.bars.at(-1).close], [43_000, 42_999]);
  const pages = asked();
  assert.equal(pages.length, 18);
  assert.deepEqual(pages[1], { range: undefined, interval: "2m", start: OPENS + 2_399 * MINUTE + 1, prepost: true });
});

test("a page without bars is the last one, whatever it says", async () => {
  server.answers.HISTORY = ({ start }) => (start === undefined ? aReply([100], { more: true }) : aReply([], { more: true }));
  assert.equal((await askBars("AAPL", QUESTION)).bars.length, 1);
  assert.equal(asked().length, 2);
});

test("where a source does not go back so far with short bars, longer ones are asked for", async () => {
  server.answers.HISTORY = ({ interval }) => (interval === "15m" ? aReply([100]) : LIMIT);
  assert.equal((await askBars("AAPL", QUESTION)).bars.length, 1);
  assert.deepEqual(asked().map(({ interval }) => interval), ["2m", "5m", "15m"]);
});

test("where no bars go back so far, what the server said of the wanted ones is told", async () => {
  server.answers.HISTORY = ({ interval }) => (interval === "2m" ? LIMIT : { ...LIMIT, message: "Another sentence." });
  await assert.rejects(askBars("AAPL", QUESTION), { message: LIMIT.message });
});

test("any other failure is told at once", async () => {
  server.answers.HISTORY = { code: 500, reason: "provider_timeout", message: "Yahoo is silent.", retryable: true };
  await assert.rejects(askBars("AAPL", QUESTION), { reason: "provider_timeout" });
  assert.equal(asked().length, 1);
});

test("more bars than there is room for are asked for in longer ones, as far as there are any", async () => {
  server.answers.HISTORY = ({ interval }) => aReply(Array.from({ length: { "2m": 720, "5m": 288, "15m": 96 }[interval] }, () => 1));
  assert.equal((await askBars("AAPL", { ...QUESTION, most: 160 })).bars.length, 96);
  assert.equal((await askBars("AAPL", { ...QUESTION, most: 5 })).bars.length, 96);
  assert.equal((await askBars("AAPL", QUESTION)).bars.length, 720);
});

test("what is wanted no longer is not asked for further", async () => {
  let isWanted = true;
  server.answers.HISTORY = () => {
    isWanted = false;
    return aReply([100], { more: true });
  };
  assert.equal(await askBars("AAPL", QUESTION, { isWanted: () => isWanted }), null);
  assert.equal(asked().length, 1);
});

test("it is known while a chart waits", async () => {
  const waiting = askBars("AAPL", QUESTION, { isForChart: true });
  assert.equal(isChartWaiting(), true);
  await settle();
  server.socket.say({ type: "HISTORY", id: server.asked("HISTORY")[0].id, code: 200, ...aReply([100]) });
  await waiting;
  assert.equal(isChartWaiting(), false);
});

test("an older server, a source without a past and a login that may not ask are without a past", () => {
  const reasons = ["unknown_command", "not_offered", "not_permitted", "no_history", "provider_error"];
  assert.deepEqual(reasons.map((reason) => isWithoutPast(new Failure({ reason }))), [true, true, true, false, false]);
});
