import assert from "node:assert/strict";
import { test } from "node:test";

import { addressOf, placeOf } from "../../../src/stocktrack/web/page/session/address.js";

const PLACES = [
  ["#/main", { view: "board", list: "main", symbol: null }],
  ["#/main/AAPL", { view: "board", list: "main", symbol: "AAPL" }],
  ["#/tech/EURUSD=X", { view: "board", list: "tech", symbol: "EURUSD=X" }],
  ["#/tech/^GSPC", { view: "board", list: "tech", symbol: "^GSPC" }],
  ["#/tech/NSE:M%26M", { view: "board", list: "tech", symbol: "NSE:M&M" }],
  ["#/a%2Fb%20%C3%A4%20%F0%9F%9A%80/BTC-USD", { view: "board", list: "a/b \u00e4 \u{1F680}", symbol: "BTC-USD" }],
  ["#/alerts", { view: "board", list: "alerts", symbol: null }],
];

test("a place has an address, there and back", () => {
  for (const [address, place] of PLACES) {
    assert.equal(addressOf(place), address);
    assert.deepEqual(placeOf(address), place);
  }
});

test("a view has an address without a list, with a stock beside it or not", () => {
  assert.equal(addressOf({ view: "alerts", list: "tech", symbol: null }), "#alerts");
  assert.equal(addressOf({ view: "holdings", list: "tech", symbol: "AAPL" }), "#holdings/AAPL");
  assert.deepEqual(placeOf("#holdings/AAPL"), { view: "holdings", list: null, symbol: "AAPL" });
});

test("a symbol is typed in small letters as well, and a slash too many says nothing", () => {
  assert.deepEqual(placeOf("#/main/aapl"), { view: "board", list: "main", symbol: "AAPL" });
  assert.deepEqual(placeOf("#/main/"), { view: "board", list: "main", symbol: null });
});

test("what is no address leads nowhere", () => {
  for (const hash of ["", "#", "#/", "#//AAPL", "#top", "#user=ann&password=b", "#/%E0%A4%A", "#/main/%"]) assert.equal(placeOf(hash), null);
});
