import assert from "node:assert/strict";
import { test } from "node:test";

import { titleOf } from "../../../src/stocktrack/web/page/frame/title.js";

const stock = (fields = {}) => ({ symbol: "AAPL", digits: 2, quote: { price: 189.45, change_percent: 1.5, stale: false, ...fields } });
const title = (fields) => titleOf({ view: "board", isLost: false, unseen: 0, ...fields }).replace(/ %/g, "%");

test("the title has the stock of the panel with its price and how far it moved", () => {
  assert.equal(title({ stock: stock() }), "AAPL 189.45 +1.50% · StockTrack");
  assert.equal(title({ stock: stock({ change_percent: undefined }) }), "AAPL 189.45 · StockTrack");
  assert.equal(title({ stock: { ...stock(), extended: { word: "post", price: 190 } } }), "AAPL 189.45 +1.50% post 190.00 · StockTrack");
});

test("what one should know without looking stands in it: stale, lost, fired", () => {
  assert.equal(title({ stock: stock({ stale: true }) }), "AAPL 189.45 +1.50% stale · StockTrack");
  assert.equal(title({ stock: stock(), isLost: true }), "Offline · AAPL 189.45 +1.50% · StockTrack");
  assert.equal(title({ unseen: 2 }), "(2) StockTrack");
});

test("without a stock it is that of the view", () => {
  assert.equal(title({}), "StockTrack");
  assert.equal(title({ view: "alerts" }), "Alerts · StockTrack");
  assert.equal(title({ stock: { symbol: "AAPL" }, view: "board" }), "StockTrack");
});
