import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { held, standingOf } from "../../../src/stocktrack/web/page/board/held.js";
import { dayRange, yearRange } from "../../../src/stocktrack/web/page/board/price-ranges.js";

afterEach(() => {
  held.value = new Map();
});

test("a price has its place between the lowest and the highest, which it may have left since they were told", () => {
  const details = { low: 10, high: 20, fifty_two_week_low: 5, fifty_two_week_high: 25 };
  assert.deepEqual(dayRange({ quote: { price: 12 }, details }), { low: 10, high: 20, place: 0.2 });
  assert.deepEqual(dayRange({ quote: { price: 30 }, details }), { low: 10, high: 30, place: 1 });
  assert.deepEqual(yearRange({ quote: { price: 15 }, details }), { low: 5, high: 25, place: 0.5 });
  assert.deepEqual(dayRange({ quote: { price: 7 }, details: { low: 7, high: 7 } }), { low: 7, high: 7, place: 0.5 });
});

test("what is not known has no range", () => {
  assert.equal(dayRange({ quote: { price: 12 }, details: { low: 10 } }), undefined);
  assert.equal(dayRange({ quote: undefined, details: { low: 10, high: 20 } }), undefined);
});

test("what is held follows the price, and not one in another currency", () => {
  held.value = new Map([["TSLA", { symbol: "TSLA", quantity: 10, currency: "USD", value: 3_000, gain: 500 }]]);
  assert.deepEqual(standingOf({ symbol: "TSLA", quote: { price: 310, currency: "USD" } }), { quantity: 10, value: 3_100, gain: 600 });
  assert.deepEqual(standingOf({ symbol: "TSLA", quote: { price: 31_000, currency: "GBp" } }), { quantity: 10, value: 3_000, gain: 500 });
  assert.deepEqual(standingOf({ symbol: "TSLA" }), { quantity: 10, value: 3_000, gain: 500 });
  assert.equal(standingOf({ symbol: "AAPL", quote: { price: 1, currency: "USD" } }), undefined);
});

test("what has no value yet has a quantity", () => {
  held.value = new Map([["TSLA", { symbol: "TSLA", quantity: 10 }]]);
  assert.deepEqual(standingOf({ symbol: "TSLA" }), { quantity: 10, value: undefined, gain: undefined });
});
