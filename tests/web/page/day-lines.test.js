import { fakeDocument, tabStorage } from "./browser.js";
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { aPrice, aReply, DAY, OPENS } from "./bars.js";
import { advance, settle } from "./clock.js";
import { FakeServer } from "./fake_socket.js";
import { wantDayLine } from "../../../src/stocktrack/web/page/session/day-lines.js";
import { logIn, logOut, reconnectNow } from "../../../src/stocktrack/web/page/session/session.js";
import { stocks } from "../../../src/stocktrack/web/page/session/state.js";

let server;
let wanted;

const asked = () => server.asked("HISTORY").map(({ symbol }) => symbol);
const stock = (symbol) => stocks.value.get(symbol);

beforeEach(() => {
  server = new FakeServer();
  wanted = [];
  server.answers.HISTORY = ({ symbol }) => aReply([100, 101], { symbol, interval: "15m" });
  Math.random = () => 0;
});

afterEach(async () => {
  for (const each of wanted) wantDayLine(each, false);
  fakeDocument.hidden = false;
  logOut();
  await advance(60_000);
  tabStorage.removeItem("stocktrack.token");
});

async function logInWith(...symbols) {
  server.saved = symbols;
  await logIn("ann", "a password");
  await settle();
}

function see(...symbols) {
  for (const symbol of symbols) {
    wantDayLine(stock(symbol), true);
    wanted.push(stock(symbol));
  }
}

test("of 500 stocks only those that are seen are asked for, once, in bars of a quarter of an hour", async () => {
  await logInWith(...Array.from({ length: 500 }, (_, number) => `S${number}`));
  see("S3", "S4");
  await advance(120_000);
  assert.deepEqual(asked(), ["S3", "S4"]);
  assert.deepEqual(server.asked("HISTORY").map(({ range, interval, prepost }) => [range, interval, prepost]), [["1d", "15m", undefined], ["1d", "15m", undefined]]);
  assert.equal(stock("S3").day.length, 2);
  assert.equal(stock("S5").day, undefined);
});

test("one answer is waited for before the next question", async () => {
  server.answers.HISTORY = undefined;
  await logInWith("A", "B");
  see("A", "B");
  await advance(10_000);
  assert.deepEqual(asked(), ["A"]);
  server.answers.HISTORY = ({ symbol }) => aReply([1], { symbol });
  server.socket.say({ type: "HISTORY", id: server.asked("HISTORY")[0].id, code: 200, ...aReply([1]) });
  await settle();
  assert.deepEqual(asked(), ["A", "B"]);
});

test("a dozen lines come at once, and then one every other second, to leave room for what the person asks", async () => {
  const symbols = Array.from({ length: 20 }, (_, number) => `S${number}`);
  await logInWith(...symbols);
  see(...symbols);
  await advance(1_000);
  assert.equal(asked().length, 12);
  await advance(10_000);
  assert.equal(asked().length, 17);
  await advance(60_000);
  assert.deepEqual(asked(), symbols);
});

test("what has no price yet is not asked for", async () => {
  server.answers.MY_STOCKS = { symbols: ["A"], quotes: [], missing: [], lists: ["main"] };
  await logInWith("A");
  see("A");
  await advance(5_000);
  assert.deepEqual(asked(), []);
  await server.push({ type: "PRICE", ...server.quote("A") });
  await advance(1_000);
  assert.deepEqual(asked(), ["A"]);
});

test("a row that is out of sight before its turn is not asked for", async () => {
  await logInWith("A");
  see("A");
  wantDayLine(stock("A"), false);
  await advance(5_000);
  assert.deepEqual(asked(), []);
});

test("a page that nobody looks at asks for nothing", async () => {
  await logInWith("A");
  see("A");
  fakeDocument.hidden = true;
  await advance(5_000);
  assert.deepEqual(asked(), []);
});

test("pushed prices carry the line on", async () => {
  await logInWith("A");
  see("A");
  await advance(1_000);
  await server.push(aPrice(105, 16 * 60_000, { symbol: "A", seq: 2 }));
  assert.deepEqual(stock("A").day.bars.map(({ close }) => close), [100, 105]);
});

test("a 429 stops all questions for as long as the server says, and the symbol comes behind the others", async () => {
  let isBusy = true;
  const good = server.answers.HISTORY;
  server.answers.HISTORY = (command) => (isBusy ? { code: 429, reason: "rate_limited", message: "Too often.", retryable: true, retry_after_ms: 90_000 } : good(command));
  await logInWith("A", "B");
  see("A", "B");
  await advance(80_000);
  assert.deepEqual(asked(), ["A"]);
  isBusy = false;
  await advance(20_000);
  assert.deepEqual(asked(), ["A", "B", "A"]);
});

test("the pauses grow while a source fails", async () => {
  server.answers.HISTORY = { code: 500, reason: "provider_error", message: "Out of order.", retryable: true };
  await logInWith("A");
  see("A");
  await advance(600_000);
  assert.equal(asked().length, 5); // after 0, 30, 90, 210 and 450 seconds
});

test("what has no past is asked for once, and the others go on", async () => {
  const good = server.answers.HISTORY;
  server.answers.HISTORY = (command) => (command.symbol === "A" ? { code: 404, reason: "no_history", message: "None." } : good(command));
  await logInWith("A", "B");
  see("A", "B");
  await advance(60_000);
  assert.deepEqual([asked(), stock("A").day], [["A", "B"], undefined]);
});

test("a server that knows no HISTORY is asked once", async () => {
  server.answers.HISTORY = { code: 400, reason: "unknown_command", message: "There is no such command." };
  await logInWith("A", "B");
  see("A", "B");
  await advance(60_000);
  assert.deepEqual(asked(), ["A"]);
});

test("after a lost connection the lines are brought anew", async () => {
  await logInWith("A");
  see("A");
  await advance(1_000);
  server.socket.drop();
  await settle();
  reconnectNow();
  await advance(5_000);
  assert.deepEqual(asked(), ["A", "A"]);
});

test("when the market begins another day the line is brought anew, a minute apart at most", async () => {
  await logInWith("A");
  see("A");
  await advance(1_000);
  const push = () => server.push({ type: "PRICE", ...server.quote("A", { price: 105, received_at: OPENS + 3 * DAY, timestamp: OPENS + 3 * DAY }) });
  await push();
  await advance(10_000);
  assert.deepEqual(asked(), ["A"]);
  await advance(60_000);
  await push();
  await advance(30_000);
  assert.deepEqual(asked(), ["A", "A"]);
});
