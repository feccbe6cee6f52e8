import "./browser.js";
import assert from "node:assert/strict";
import { test } from "node:test";

import { framesAsked, showFrame, START_MS } from "./clock.js";
import { Stock } from "../../../src/stocktrack/web/page/session/stock.js";

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

test("the digits are those of the newest quote, whether it came whole or as a push", () => {
  const stock = new Stock("EURUSD=X");
  stock.takeWhole(quote(1.08, { price_hint: 4 }));
  assert.equal(stock.digits, 4);
  stock.take(quote(1.08, { type: "PRICE", price_hint: 4 }));
  assert.equal(stock.digits, 4);
  const share = new Stock("AAPL");
  share.takeWhole(quote(269.6951, { price_hint: 2 }));
  assert.equal(share.digits, 2);
  share.take(quote(269.6951, { type: "PRICE" }));
  assert.equal(share.digits, 2);
});

// --- before and after the regular hours ---

const after = (fields = {}) => quote(269.7, {
  type: "PRICE", market_state: "post", timestamp: START_MS, extended_price: 270.75, extended_change: 1.05, extended_change_percent: 0.389,
  extended_time: START_MS + 1_000, ...fields,
});
const quiet = (state, fields = {}) => quote(269.7, { type: "PRICE", market_state: state, timestamp: START_MS, ...fields });

test("a price after hours is shown as what it is, and the next push replaces it", () => {
  const stock = aStock(after());
  assert.deepEqual(stock.extended, { word: "post", said: "after hours", price: 270.75, change: 1.05, percent: 0.389, at: START_MS + 1_000 });
  stock.take(after({ market_state: "pre", extended_price: 271 }));
  assert.deepEqual([stock.extended.word, stock.extended.said, stock.extended.price], ["pre", "before hours", 271]);
});

test("the opening of the market takes it away, and so does a morning that has none of its own", () => {
  for (const state of ["open", "pre", "post"]) {
    assert.equal(aStock(after(), quiet(state)).extended, undefined, state);
  }
  assert.equal(aStock(after({ market_state: "open" })).extended, undefined);
});

test("a whole quote from before the opening, which comes late, does not bring it back", () => {
  const stock = aStock(after(), quiet("open", { seq: 5 }));
  stock.takeWhole(after({ type: undefined, seq: 4 }));
  assert.equal(stock.extended, undefined);
});

test("at night a push says nothing of it: the last one stands until a newer regular price comes", () => {
  const stock = aStock(after(), quiet("closed"));
  assert.equal(stock.extended.price, 270.75);
  stock.take(quiet("unknown", { timestamp: START_MS + 60_000 }));
  assert.equal(stock.extended, undefined);
});

test("a whole quote at night says of itself whether there is one", () => {
  const stock = aStock();
  stock.takeWhole(after({ type: undefined, market_state: "closed" }));
  assert.equal(stock.extended.word, "post");
  stock.takeWhole(quiet("closed", { type: undefined }));
  assert.equal(stock.extended, undefined);
});

// --- what is missing, and what is painted ---

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

test("whoever follows a stock is given each of its prices, and the day's bars follow it in place of those before", () => {
  const stock = new Stock("AAPL");
  const follower = () => ({ taken: [], take({ price }) { this.taken.push(price); } });
  const [first, second] = [follower(), follower()];
  const price = (value, seq) => stock.take({ symbol: "AAPL", price: value, received_at: seq, seq, market_state: "open", stale: false });
  stock.showDay(first);
  price(1, 1);
  price(2, 2);
  stock.showDay(second);
  price(3, 3);
  assert.deepEqual([first.taken, second.taken, stock.day], [[1, 2], [3], second]);
});

test("the previous close is what the change is counted from, else what the whole quote says", () => {
  const stock = new Stock("AAPL");
  assert.equal(stock.previousClose, undefined);
  const whole = { symbol: "AAPL", price: 101, received_at: 1, seq: 1, market_state: "open", stale: false };
  stock.takeWhole({ ...whole, previous_close: 99 });
  assert.equal(stock.previousClose, 99);
  stock.take({ ...whole, seq: 2, change: 3 });
  assert.equal(stock.previousClose, 98);
});
