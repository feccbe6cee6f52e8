import { lastingStorage } from "./browser.js";
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { advance, settle } from "./clock.js";
import { FakeServer } from "./fake_socket.js";
import { show, want } from "../../../src/stocktrack/web/page/session/besides.js";
import { logIn, logOut } from "../../../src/stocktrack/web/page/session/session.js";
import { add, remove } from "../../../src/stocktrack/web/page/session/shown-list.js";
import { besides, chosen, notices, stockOf, stocks } from "../../../src/stocktrack/web/page/session/state.js";

let server;
const asked = (type) => server.asked(type).map(({ symbols, save }) => [symbols, save]);

beforeEach(async () => {
  server = new FakeServer();
  server.saved = ["AAPL"];
  Math.random = () => 0;
  await logIn("ann", "a password");
  await settle();
  server.commands.length = 0;
});

afterEach(async () => {
  want("holdings", []);
  logOut();
  await advance(60_000);
  lastingStorage.removeItem("stocktrack.token:/board/");
  notices.value = [];
});

test("what is not on the list is pushed as long as somebody shows it, and never saved", async () => {
  want("holdings", ["AAPL", "MSFT", "TSLA"]);
  await settle();
  assert.deepEqual(asked("SUBSCRIBE"), [[["MSFT", "TSLA"], false]]);
  await server.push({ type: "PRICE", ...server.quote("MSFT", { price: 211 }) });
  assert.equal(stockOf("MSFT").quote.price, 211);
  want("holdings", ["TSLA"]);
  want("holdings", []);
  await settle();
  assert.deepEqual(asked("UNSUBSCRIBE"), [[["MSFT"], false], [["TSLA"], false]]);
  assert.equal(besides.value.size, 0);
});

test("after a reconnect it is pushed again", async () => {
  want("holdings", ["MSFT"]);
  await settle();
  server.commands.length = 0;
  server.socket.drop();
  await advance(1_000);
  assert.deepEqual(asked("SUBSCRIBE").filter(([, save]) => save === false), [[["MSFT"], false]]);
});

test("what comes onto the list is the list's, and what leaves it is pushed all the same while it is shown", async () => {
  want("holdings", ["AAPL", "MSFT"]);
  await settle();
  await add(["MSFT"]);
  await settle();
  assert.deepEqual([besides.value.has("MSFT"), stocks.value.has("MSFT")], [false, true]);
  await remove("AAPL");
  await settle();
  assert.ok(besides.value.has("AAPL"));
  assert.deepEqual(asked("SUBSCRIBE").at(-1), [["AAPL"], false]);
  want("holdings", []);
  await settle();
  assert.deepEqual(asked("UNSUBSCRIBE").at(-1), [["AAPL"], false]);
});

test("the panel of a symbol that is on no list has its price until it is closed", async () => {
  show("NVDA");
  await settle();
  assert.deepEqual([chosen.value, stockOf("NVDA").quote.price], ["NVDA", 100]);
  chosen.value = null;
  await settle();
  assert.deepEqual([asked("UNSUBSCRIBE"), besides.value.size], [[[["NVDA"], false]], 0]);
});

test("where no more may be pushed, whoever shows it knows why", async () => {
  server.answers.SUBSCRIBE = { code: 400, reason: "symbol_limit", message: "A session may be pushed 500 symbols." };
  want("holdings", ["MSFT"]);
  await settle();
  assert.equal(besides.value.get("MSFT").told, "A session may be pushed 500 symbols.");
});
