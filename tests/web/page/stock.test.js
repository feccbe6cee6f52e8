import "./browser.js";
import assert from "node:assert/strict";
import { test } from "node:test";

import { framesAsked, showFrame, START_MS } from "./clock.js";
import { Stock } from "../../../src/stocktrack/web/page/stock.js";

const quote = (price, fields = {}) => ({ symbol: "AAPL", price, received_at: START_MS, seq: 1, stale: false, ...fields });

function aStock(...quotes) {
  const stock = new Stock("AAPL");
  for (const each of quotes) stock.take(each);
  return stock;
}

test("a price that rises or falls has a direction, and one that stays has none", () => {
  const stock = aStock(quote(100));
  assert.deepEqual([stock.direction, stock.changes], [0, 0]);
  stock.take(quote(101));
  assert.deepEqual([stock.direction, stock.changes], [1, 1]);
  stock.take(quote(99));
  assert.deepEqual([stock.direction, stock.changes], [-1, 2]);
  stock.take(quote(99));
  assert.deepEqual([stock.direction, stock.changes], [-1, 2]);
});

test("the digits follow the finest price seen and never become fewer", () => {
  const stock = aStock(quote(1.08));
  assert.equal(stock.digits, 2);
  stock.take(quote(1.0845));
  stock.take(quote(1.1));
  assert.equal(stock.digits, 4);
});

test("what is quoted without decimals is shown without, and cents show where anything has them", () => {
  const yen = new Stock("7203.T");
  yen.takeWhole(quote(3_500, { previous_close: 3_480 }));
  assert.equal(yen.digits, 0);
  const share = new Stock("BRK-A");
  share.takeWhole(quote(600_000, { previous_close: 599_000.5 }));
  assert.equal(share.digits, 2);
  const cheap = new Stock("CHEAP");
  cheap.takeWhole(quote(100, { previous_close: 99 }));
  assert.equal(cheap.digits, 2);
});

test("bid, ask and the close before add digits, at most four", () => {
  const stock = new Stock("EURUSD=X");
  stock.takeWhole(quote(1.08, { bid: 1.084567, previous_close: 1.081 }));
  assert.equal(stock.digits, 4);
});

test("a whole quote that is older than the price keeps the price and brings what was not known", () => {
  const stock = aStock(quote(101, { seq: 5 }));
  stock.takeWhole(quote(100, { seq: 4, name: "Apple Inc." }));
  assert.deepEqual([stock.quote.price, stock.name], [101, "Apple Inc."]);
  stock.takeWhole(quote(102, { seq: 5 }));
  assert.equal(stock.quote.price, 102);
});

test("a price is as old as the market says, and of no known age where it says nothing", () => {
  assert.equal(aStock(quote(100, { timestamp: 7 })).pricedAt, 7);
  assert.equal(aStock(quote(100)).pricedAt, undefined);
  assert.equal(aStock().pricedAt, undefined);
});

test("a stale price adds nothing to the line of the session, except a first point", () => {
  const stock = aStock(quote(100, { stale: true }));
  stock.take(quote(105, { stale: true, received_at: START_MS + 5_000 }));
  assert.deepEqual([stock.history.length, stock.history.prices[0]], [1, 100]);
  stock.take(quote(106, { received_at: START_MS + 6_000 }));
  assert.equal(stock.history.length, 2);
});

test("a reason for having no price counts only while there is none, and a price takes it away", () => {
  const stock = aStock();
  stock.lack("pending");
  assert.equal(stock.missing, "pending");
  stock.take(quote(100));
  assert.equal(stock.missing, undefined);
  stock.lack("provider_error");
  assert.equal(stock.missing, undefined);
});

test("whatever changes is painted in the next frame by each view of the stock", () => {
  const stock = aStock();
  let paints = 0;
  stock.views.add({ isSeen: true, paint: () => { paints += 1; }, tick() {} });
  stock.take(quote(100));
  stock.take(quote(101));
  assert.equal(framesAsked(), 1);
  showFrame();
  assert.equal(paints, 1);
  stock.lack("provider_error");
  showFrame();
  assert.equal(paints, 2);
});
