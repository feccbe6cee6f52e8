import assert from "node:assert/strict";
import { test } from "node:test";

import { COLUMNS, isSortLive, sortAfterClick, sorted, symbolAt } from "../../../src/stocktrack/web/page/board/columns.js";

const stock = (symbol, quote, pricedAt) => ({ symbol, quote, pricedAt });
const STOCKS = [
  stock("TSLA", { price: 300, change: -2, change_percent: -0.7, volume: 10, market_state: "open" }, 3),
  stock("NOPE"),
  stock("AAPL", { price: 100, change: 1, change_percent: 1, volume: 30, market_state: "closed" }, 2),
  stock("MSFT", { price: 200, change: 0, change_percent: 0, volume: 20, market_state: "post" }, 1),
];
const order = (key, isDescending) => sorted(STOCKS, { key, isDescending }).map((each) => each.symbol);
const column = (key) => COLUMNS.find((each) => each.key === key);

test("without a column the stocks stand in the order of saving", () => {
  assert.deepEqual(order(null, false), ["TSLA", "NOPE", "AAPL", "MSFT"]);
});

test("each column that can be sorted sorts by what it shows", () => {
  assert.deepEqual(order("symbol", false), ["AAPL", "MSFT", "NOPE", "TSLA"]);
  assert.deepEqual(order("price", true), ["TSLA", "MSFT", "AAPL", "NOPE"]);
  assert.deepEqual(order("change", true), ["AAPL", "MSFT", "TSLA", "NOPE"]);
  assert.deepEqual(order("percent", false), ["TSLA", "MSFT", "AAPL", "NOPE"]);
  assert.deepEqual(order("volume", false), ["TSLA", "MSFT", "AAPL", "NOPE"]);
  assert.deepEqual(order("market", false), ["AAPL", "TSLA", "MSFT", "NOPE"]);
  assert.deepEqual(order("age", true), ["TSLA", "AAPL", "MSFT", "NOPE"]);
});

test("a stock without a price comes last in both directions", () => {
  assert.equal(order("price", false).at(-1), "NOPE");
  assert.equal(order("price", true).at(-1), "NOPE");
});

test("columns of a whole quote and of the range sort by their figures", () => {
  const whole = (symbol, details) => ({ symbol, details, quote: { price: 10 } });
  const all = [whole("A", { market_cap: 5, low: 9, high: 11 }), whole("B", { market_cap: 7, low: 4, high: 10 }), whole("C", {})];
  const by = (key) => sorted(all, { key, isDescending: true }).map((each) => each.symbol);
  assert.deepEqual(by("cap"), ["B", "A", "C"]);
  assert.deepEqual(by("range"), ["B", "A", "C"]); // at its highest, and in the middle
  assert.deepEqual(by("remove"), ["A", "B", "C"]);
});

test("no two columns have one key or one heading, and every one that can be sorted can be copied", () => {
  assert.equal(new Set(COLUMNS.map((each) => each.key)).size, COLUMNS.length);
  assert.equal(new Set(COLUMNS.map((each) => each.label)).size, COLUMNS.length);
  assert.deepEqual(COLUMNS.filter((each) => each.of && !each.kind), []);
});

test("sorting leaves the order of saving as it was", () => {
  order("price", true);
  assert.deepEqual(STOCKS.map((each) => each.symbol), ["TSLA", "NOPE", "AAPL", "MSFT"]);
});

test("clicks on a column of numbers go from the highest first to the lowest first and back to no sorting", () => {
  const first = sortAfterClick({ key: null, isDescending: false }, column("price"));
  const second = sortAfterClick(first, column("price"));
  const third = sortAfterClick(second, column("price"));
  assert.deepEqual([first, second, third], [
    { key: "price", isDescending: true }, { key: "price", isDescending: false }, { key: null, isDescending: false },
  ]);
});

test("a column of words begins with A, and another column takes over", () => {
  const words = sortAfterClick({ key: "price", isDescending: true }, column("symbol"));
  assert.deepEqual(words, { key: "symbol", isDescending: false });
  assert.deepEqual(sortAfterClick(words, column("symbol")), { key: "symbol", isDescending: true });
});

test("only the order by a column that moves has to be renewed", () => {
  assert.equal(isSortLive({ key: "price" }), true);
  assert.equal(isSortLive({ key: "symbol" }), false);
  assert.equal(isSortLive({ key: null }), false);
});

test("the keyboard goes from row to row, stops at both ends, and begins at the first", () => {
  const symbols = ["A", "B", "C"];
  assert.equal(symbolAt(symbols, "B", 1), "C");
  assert.equal(symbolAt(symbols, "C", 1), "C");
  assert.equal(symbolAt(symbols, "A", -1), "A");
  assert.equal(symbolAt(symbols, null, 0), "A");
  assert.equal(symbolAt(symbols, "gone", 0), "A");
  assert.equal(symbolAt([], null, 1), null);
});
