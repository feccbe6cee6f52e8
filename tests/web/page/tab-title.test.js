import { fakeDocument } from "./browser.js";
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { advance } from "./clock.js";
import "../../../src/stocktrack/web/page/frame/tab-title.js";
import { chosen, link, stocks, unseenAlerts, view } from "../../../src/stocktrack/web/page/session/state.js";
import { Stock } from "../../../src/stocktrack/web/page/session/stock.js";

let seq = 0;
const priced = (stock, price) => stock.take({ symbol: stock.symbol, price, received_at: 1, seq: (seq += 1) });

beforeEach(async () => {
  const all = ["AAPL", "MSFT"].map((symbol) => new Stock(symbol));
  for (const stock of all) priced(stock, 100);
  stocks.value = new Map(all.map((stock) => [stock.symbol, stock]));
  chosen.value = "AAPL";
  unseenAlerts.value = 0;
  await advance(2_000);
});

test("the title is that of the stock that is chosen, at once", () => {
  assert.equal(fakeDocument.title, "AAPL 100.00 · StockTrack");
  chosen.value = "MSFT";
  assert.equal(fakeDocument.title, "MSFT 100.00 · StockTrack");
  chosen.value = null;
  view.value = "alerts";
  assert.equal(fakeDocument.title, "Alerts · StockTrack");
  view.value = "board";
});

test("prices are written once a second, the last of them too, also while the page is not looked at", async () => {
  fakeDocument.hidden = true;
  const stock = stocks.value.get("AAPL");
  await advance(900);
  priced(stock, 101);
  priced(stock, 102);
  assert.equal(fakeDocument.title, "AAPL 100.00 · StockTrack");
  await advance(100);
  assert.equal(fakeDocument.title, "AAPL 102.00 · StockTrack");
  fakeDocument.hidden = false;
});

test("a stock that is no longer chosen has nobody that follows it", () => {
  const [first, second] = stocks.value.values();
  chosen.value = "MSFT";
  assert.deepEqual([first.followers.size, second.followers.size], [0, 1]);
});

test("that the page is offline and what fired stand there without a price", () => {
  link.value = { status: "waiting", retryAt: 0, wasOnline: true };
  unseenAlerts.value = 2;
  assert.equal(fakeDocument.title, "(2) Offline · AAPL 100.00 · StockTrack");
  link.value = { status: "online", retryAt: 0, wasOnline: true };
  unseenAlerts.value = 0;
  assert.equal(fakeDocument.title, "AAPL 100.00 · StockTrack");
});
