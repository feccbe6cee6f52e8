import { fakeDocument, lastingStorage } from "./browser.js";
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { advance, settle } from "./clock.js";
import { FakeServer } from "./fake_socket.js";
import { replaceGlobal } from "./globals.js";

replaceGlobal("requestAnimationFrame", (action) => setTimeout(action, 16));
const { COLUMN } = await import("../../../src/stocktrack/web/page/board/columns.js");
const { wantDetails } = await import("../../../src/stocktrack/web/page/board/details.js");
const { held } = await import("../../../src/stocktrack/web/page/board/held.js");
const { renewHeld } = await import("../../../src/stocktrack/web/page/board/held-reader.js");
const { shown } = await import("../../../src/stocktrack/web/page/board/layout.js");
const { logIn, logOut, reconnectNow } = await import("../../../src/stocktrack/web/page/session/session.js");
const { stocks } = await import("../../../src/stocktrack/web/page/session/state.js");

let server;

beforeEach(async () => {
  server = new FakeServer();
  server.saved = ["A", "B", "C"];
  Math.random = () => 0;
  await logIn("ann", "a password");
  await settle();
});

afterEach(async () => {
  for (const stock of stocks.value.values()) wantDetails(stock, false);
  showColumns();
  fakeDocument.hidden = false;
  logOut();
  await advance(60_000);
  lastingStorage.removeItem("stocktrack.token:/board/");
});

function showColumns(...keys) {
  shown.value = { ...shown.value, columns: keys.map((key) => COLUMN.get(key)) };
}

function see(...symbols) {
  for (const symbol of symbols) wantDetails(stocks.value.get(symbol), true);
}

const asked = () => server.asked("GET").map(({ symbols }) => symbols);

test("whole quotes of all rows in sight are one question, and each is asked for once a minute", async () => {
  showColumns("price", "range");
  see("A", "B");
  await advance(30_000);
  assert.deepEqual(asked(), [["A", "B"]]);
  see("C");
  await advance(2_000);
  assert.deepEqual(asked(), [["A", "B"], ["C"]]);
  await advance(60_000);
  assert.deepEqual(asked().length, 4);
});

test("nothing is asked for while no column shows it, while nobody looks, and of rows out of sight", async () => {
  showColumns("price", "volume");
  see("A");
  await advance(5_000);
  showColumns("price", "cap");
  fakeDocument.hidden = true;
  await advance(5_000);
  fakeDocument.hidden = false;
  wantDetails(stocks.value.get("A"), false);
  await advance(5_000);
  assert.deepEqual(asked(), []);
});

test("another connection asks anew", async () => {
  showColumns("cap");
  see("A");
  await advance(2_000);
  server.socket.drop();
  await settle();
  reconnectNow();
  await advance(2_000);
  assert.deepEqual(asked(), [["A"], ["A"]]);
});

test("what is held is read while a column shows it, at once and once a minute, all its pages", async () => {
  const lot = (symbol) => ({ symbol, lot: `l${symbol}` });
  server.answers.HOLDINGS = ({ after }) =>
    after ? { holdings: [{ symbol: "B", quantity: 2 }], lots: [lot("B")], missing: [], totals: {} } : { holdings: [{ symbol: "A", quantity: 1 }], lots: [lot("A")], missing: [], totals: {}, more: true };
  await advance(2_000);
  assert.equal(server.asked("HOLDINGS").length, 0);
  showColumns("gain");
  await advance(2_000);
  assert.deepEqual([...held.value.keys()], ["A", "B"]);
  assert.equal(server.asked("HOLDINGS").length, 2);
  await advance(30_000);
  assert.equal(server.asked("HOLDINGS").length, 2);
  renewHeld();
  await advance(2_000);
  assert.equal(server.asked("HOLDINGS").length, 4);
});

test("a server that has no holdings leaves the column empty, and is asked once a minute", async () => {
  server.answers.HOLDINGS = { code: 404, reason: "not_offered", message: "There are none." };
  showColumns("gain");
  await advance(50_000);
  assert.equal(server.asked("HOLDINGS").length, 1);
  assert.equal(held.value.size, 0);
});
