import "./browser.js";
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { advance } from "./clock.js";
import { endFilter, filterText, isFiltering, isMatch, matching } from "../../../src/stocktrack/web/page/board/filter.js";
import { list, stocks } from "../../../src/stocktrack/web/page/session/state.js";
import { Stock } from "../../../src/stocktrack/web/page/session/stock.js";

function show(...symbols) {
  stocks.value = new Map(symbols.map((symbol) => [symbol, stocks.value.get(symbol) ?? new Stock(symbol)]));
}

const left = () => (matching.value === null ? null : [...matching.value]);

afterEach(() => {
  endFilter();
  list.value = "main";
  stocks.value = new Map();
});

test("each word has to stand in the symbol or in the name, in any case", () => {
  const tesla = { symbol: "TSLA", name: "Tesla, Inc." };
  for (const text of ["ts", "TESLA", "inc tsl", "esla, inc"]) assert.equal(isMatch(tesla, text), true, text);
  for (const text of ["tesla motors", "apple"]) assert.equal(isMatch(tesla, text), false, text);
});

test("nothing typed, or nothing but spaces, hides nothing", () => {
  show("AAPL", "TSLA");
  assert.equal(left(), null);
  filterText.value = "  ";
  assert.equal(left(), null);
  filterText.value = "aa";
  assert.deepEqual(left(), ["AAPL"]);
  filterText.value = "zz";
  assert.deepEqual(left(), []);
});

test("a name that comes later is found within a second", async () => {
  show("AAPL", "TSLA");
  filterText.value = "tesla";
  assert.deepEqual(left(), []);
  stocks.value.get("TSLA").details = { name: "Tesla, Inc." };
  await advance(1_000);
  assert.deepEqual(left(), ["TSLA"]);
});

test("a stock that is added is seen: a filter that would hide it ends, one that would not stays", () => {
  show("AAPL");
  isFiltering.value = true;
  filterText.value = "a";
  show("AAPL", "AMZN");
  assert.deepEqual([filterText.value, left()], ["a", ["AAPL", "AMZN"]]);
  show("AAPL", "AMZN", "TSLX");
  assert.deepEqual([filterText.value, isFiltering.value, left()], ["", false, null]);
});

test("what is taken out of the list leaves the filter as it is, and another list ends it", () => {
  show("AAPL", "AMZN");
  filterText.value = "a";
  show("AAPL");
  assert.deepEqual([filterText.value, left()], ["a", ["AAPL"]]);
  list.value = "tech";
  assert.equal(filterText.value, "");
});
