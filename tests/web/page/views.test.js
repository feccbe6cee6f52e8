import { FakeElement, part } from "./browser.js";
import assert from "node:assert/strict";
import { test } from "node:test";

import { advance, START_MS } from "./clock.js";
import { compact, NOTHING, percent, price, signed } from "../../../src/stocktrack/web/page/figures/format.js";
import { PanelView } from "../../../src/stocktrack/web/page/panel/panel-view.js";
import { RowView } from "../../../src/stocktrack/web/page/board/row-view.js";
import { Stock } from "../../../src/stocktrack/web/page/session/stock.js";

const quote = (fields = {}) => ({
  symbol: "AAPL", price: 189.45, currency: "USD", change: 1.2, change_percent: 0.64, volume: 1_000, market_state: "open", received_at: Date.now(),
  seq: 1, stale: false, ...fields,
});

/** A canvas that counts how often its line is drawn anew. */
function aCanvas() {
  const canvas = part("trend", "CANVAS");
  canvas.drawn = 0;
  const nothing = () => {};
  const context = Object.fromEntries(
    ["scale", "setLineDash", "beginPath", "moveTo", "lineTo", "arc", "stroke", "fill"].map((name) => [name, nothing]),
  );
  canvas.getContext = () => ({ ...context, clearRect: () => { canvas.drawn += 1; } });
  return canvas;
}

const EXTENDED_PARTS = ["session", "session_said", "extended"];

function aRow(stock) {
  const names = ["name", "price", "currency", "change", "percent", "volume", "market", "age", "why", ...EXTENDED_PARTS, "extended_percent"];
  const row = new FakeElement("TR", [...names.map((name) => part(name)), aCanvas()]);
  const view = new RowView(stock, row, ["name", "price", "currency", "change", "percent", "extended", "trend", "volume", "market", "age"], { width: 88, height: 20 });
  return { row, view, ...reader(row) };
}

function aPanel(stock) {
  const names = ["name", "exchange", "price", "currency", "change", "percent", "market", "why", "open", "previous_close", "high", "low", "bid", "ask", "volume", "age", "lack", "market_cap", "trailing_pe",
    ...EXTENDED_PARTS, "extended_change", "extended_percent", "extended_age", "year_low", "year_high", "year_mark", "year_said"];
  const panel = new FakeElement("ASIDE", names.map((name) => part(name)));
  const view = new PanelView(stock, panel);
  return { panel, view, ...reader(panel) };
}

function reader(element) {
  const find = (name) => element.children.find((child) => child.dataset.part === name);
  return { cell: find, text: (...names) => names.map((name) => find(name).textContent) };
}

function aStock(fields) {
  const stock = new Stock("AAPL");
  if (fields) stock.take(quote(fields));
  return stock;
}

const after = (fields = {}) => ({
  price: 269.7, change: 0.7, change_percent: 0.26, market_state: "post", timestamp: START_MS, extended_price: 270.75, extended_change: 1.05,
  extended_change_percent: 0.389, extended_time: START_MS + 1_000, ...fields,
});

// --- the row ---

test("a row shows the price with what is needed to read it", () => {
  const { view, row, text } = aRow(aStock({ timestamp: Date.now() }));
  view.paint();
  assert.deepEqual(text("price", "currency", "change", "percent", "volume", "market", "why", "age"), [
    price(189.45, 2), "USD", signed(1.2, 2), percent(0.64), compact(1_000), "Open", "", "now",
  ]);
  assert.equal(row.dataset.market, "open");
});

test("a row without a price waits, and says why once it is known that there is none", () => {
  const stock = aStock();
  const { view, row, text } = aRow(stock);
  view.paint();
  assert.deepEqual([text("price", "why"), String(row.classList)], [["…", ""], "empty"]);
  stock.lack("pending");
  view.paint();
  assert.deepEqual(text("price", "why"), [NOTHING, "waiting for source"]);
  stock.take(quote());
  view.paint();
  assert.equal(row.classList.contains("empty"), false);
  assert.deepEqual(text("why"), [""]);
});

test("a row is marked up or down by the day's change, and neither without one", () => {
  const stock = aStock({ change: 1 });
  const { view, row } = aRow(stock);
  const classes = [1, -1, 0, undefined].map((change) => {
    stock.take(quote({ change }));
    view.paint();
    return String(row.classList);
  });
  assert.deepEqual(classes, ["up", "down", "", ""]);
});

test("a row shows the price after hours in words for the eye and for the ear, by its own change, until the market opens", () => {
  const stock = aStock(after({ change: -0.7 }));
  const { view, row, text } = aRow(stock);
  view.paint();
  assert.deepEqual(text("price", "session", "session_said", "extended", "extended_percent"), [price(269.7, 2), "post", "after hours", price(270.75, 2), percent(0.389)]);
  assert.deepEqual(["down", "has-extended", "extended-up"].map((name) => row.classList.contains(name)), [true, true, true]);
  stock.take(quote({ market_state: "open" }));
  view.paint();
  assert.deepEqual(text("session", "session_said", "extended", "extended_percent"), ["", "", "", ""]);
  assert.deepEqual(["has-extended", "extended-up"].map((name) => row.classList.contains(name)), [false, false]);
});

test("a row has the digits of its symbol in its price, its change and the price after hours", () => {
  const { view, text } = aRow(aStock(after({ price: 1.08, change: 0.002, price_hint: 4, extended_price: 1.081 })));
  view.paint();
  assert.deepEqual(text("price", "change", "extended"), [price(1.08, 4), signed(0.002, 4), price(1.081, 4)]);
});

test("a row without a price says in the server's words why, whole to whoever points at it", () => {
  const stock = aStock();
  stock.lack("not_offered", "NIFTY24APR18000CE expired on 25 April 2024.");
  const { view, cell, text } = aRow(stock);
  view.paint();
  assert.deepEqual([text("why"), cell("why").title], [["NIFTY24APR18000CE expired on 25 April 2024."], "NIFTY24APR18000CE expired on 25 April 2024."]);
  stock.take(quote());
  view.paint();
  assert.deepEqual([text("why"), cell("why").title], [[""], ""]);
});

test("a stale row says why, until the price is fresh again", () => {
  const stock = aStock({ stale: true, stale_reason: "provider_blocked" });
  const { view, row, text } = aRow(stock);
  view.paint();
  assert.deepEqual([row.classList.contains("stale"), text("why")], [true, ["source refuses us"]]);
  stock.take(quote());
  view.paint();
  assert.deepEqual([row.classList.contains("stale"), text("why")], [false, [""]]);
});

test("a price flashes when it changes, not when it appears and not when it is painted again", async () => {
  const stock = aStock({});
  const { view, cell } = aRow(stock);
  view.paint();
  assert.equal(String(cell("price").classList), "");
  stock.take(quote({ price: 190 }));
  view.paint();
  assert.equal(String(cell("price").classList), "flash-up");
  await advance(1_000);
  view.paint();
  assert.equal(String(cell("price").classList), "");
});

test("an age goes on by itself, by the market's time of the price", async () => {
  const { view, text } = aRow(aStock({ timestamp: Date.now() - 3_000 }));
  view.paint();
  assert.deepEqual(text("age"), ["3s ago"]);
  await advance(57_000);
  view.tick();
  assert.deepEqual(text("age"), ["1m ago"]);
});

test("the line of a row is drawn again only when there is something new, or the colours are", () => {
  const stock = aStock({});
  const { view, cell } = aRow(stock);
  const drawn = () => cell("trend").drawn;
  view.tick();
  view.tick();
  assert.equal(drawn(), 1);
  stock.take(quote({ received_at: START_MS + 90_000_000, price: 191 }));
  view.tick();
  assert.equal(drawn(), 2);
  view.redraw();
  assert.equal(drawn(), 3);
});

test("a row that comes into sight is brought up to date at once, and one that goes out of it is not", () => {
  const stock = aStock({});
  const { view, text } = aRow(stock);
  view.show(false);
  assert.deepEqual([view.isSeen, text("price")], [false, [""]]);
  view.show(true);
  assert.deepEqual([view.isSeen, text("price")], [true, [price(189.45, 2)]]);
});

// --- the panel ---

test("the panel shows the figures of the day, and a dash for what is not known", () => {
  const stock = new Stock("AAPL");
  stock.takeWhole(quote({ name: "Apple Inc.", exchange: "NASDAQ", open: 188, previous_close: 187.5, bid: 189.4 }));
  const { view, text } = aPanel(stock);
  view.paint();
  assert.deepEqual(text("name", "exchange", "open", "previous_close", "bid", "ask", "high", "low"), [
    "Apple Inc.", "NASDAQ", price(188, 2), price(187.5, 2), price(189.4, 2), NOTHING, NOTHING, NOTHING,
  ]);
});

test("a price beyond the day's range, which came with an older quote, widens it", () => {
  const stock = new Stock("AAPL");
  stock.takeWhole(quote({ high: 190, low: 185 }));
  const { view, text } = aPanel(stock);
  const ranges = [189, 191.5, 184].map((newest) => {
    stock.take(quote({ price: newest }));
    view.paint();
    return text("high", "low");
  });
  assert.deepEqual(ranges, [
    [price(190, 2), price(185, 2)], [price(191.5, 2), price(185, 2)], [price(190, 2), price(184, 2)],
  ]);
});

test("an age that the market does not tell is not made of the time of arrival", () => {
  const row = aRow(aStock({}));
  row.view.paint();
  const stock = new Stock("AAPL");
  stock.takeWhole(quote({ provider: "yahoo" }));
  const panel = aPanel(stock);
  panel.view.tick();
  assert.deepEqual([...row.text("age"), ...panel.text("age"), panel.cell("age").title], [NOTHING, "yahoo", ""]);
});

test("the volume of a coin is money, and says which", () => {
  const coin = { volume: 21_228_961_792, volume_currency: "USD" };
  const row = aRow(aStock(coin));
  const panel = aPanel(aStock(coin));
  row.view.paint();
  panel.view.paint();
  assert.deepEqual([...row.text("volume"), ...panel.text("volume")], Array(2).fill(`${compact(coin.volume)} USD`));
});

test("a change that is not known leaves its place empty in the panel", () => {
  const { view, text } = aPanel(aStock({ change: undefined, change_percent: undefined }));
  view.paint();
  assert.deepEqual(text("change", "percent"), ["", ""]);
});

test("the panel says how old the price is, who gave it and with which delay", () => {
  const stock = new Stock("AAPL");
  stock.takeWhole(quote({ provider: "yahoo", delay_seconds: 900, timestamp: Date.now() - 5_000 }));
  const { view, text, cell } = aPanel(stock);
  view.tick();
  assert.deepEqual(text("age"), ["5s ago · yahoo · delayed 15 min"]);
  assert.notEqual(cell("age").title, "");
});

test("a panel without a price keeps what stands there", () => {
  const { view, text } = aPanel(aStock());
  view.paint();
  view.tick();
  assert.deepEqual(text("price", "age"), ["", ""]);
});

test("the panel flashes, turns stale and says why, as the row does", () => {
  const stock = aStock({});
  const { view, panel, cell, text } = aPanel(stock);
  view.paint();
  assert.deepEqual([text("volume", "why", "market"), String(cell("price").classList)], [[compact(1_000), "", "Open"], ""]);
  stock.take(quote({ price: 180, change: -8, stale: true, stale_reason: "provider_error" }));
  view.paint();
  assert.equal(String(cell("price").classList), "flash-down");
  assert.deepEqual([String(panel.classList), text("why")], ["down stale", ["source fails"]]);
});

test("the panel shows the price after hours with its change and its age", async () => {
  const { view, panel, text } = aPanel(aStock(after({ extended_time: Date.now() })));
  view.paint();
  await advance(5_000);
  view.tick();
  assert.deepEqual(text("session", "extended", "extended_change", "extended_percent", "extended_age"), [
    "After hours", price(270.75, 2), signed(1.05, 2), `(${percent(0.389)})`, "5s ago",
  ]);
  assert.deepEqual(["has-extended", "extended-up"].map((name) => panel.classList.contains(name)), [true, true]);
});

test("the panel shows the year with the digits of the symbol, and the price's place in it", () => {
  const stock = aStock();
  stock.takeWhole(quote({ price: 170, price_hint: 3, fifty_two_week_low: 160, fifty_two_week_high: 200 }));
  const { view, panel, cell, text } = aPanel(stock);
  view.paint();
  assert.deepEqual(text("year_low", "year_high", "year_said"), [price(160, 3), price(200, 3), "; the price is at 25% of the way"]);
  assert.equal(cell("year_mark").style.get("--at"), "25%");
  stock.take(quote({ price: 210, price_hint: 3 }));
  view.paint();
  assert.deepEqual(text("year_high", "year_said"), [price(210, 3), "; the price is at 100% of the way"]);
  assert.equal(panel.classList.contains("has-year"), true);
});

test("the panel has no place for a year, a market value and earnings that are not known", () => {
  const stock = aStock({});
  const { view, panel, text } = aPanel(stock);
  view.paint();
  const classes = ["has-year", "has-market-cap", "has-pe", "has-extended"];
  assert.deepEqual(classes.map((name) => panel.classList.contains(name)), [false, false, false, false]);
  stock.takeWhole(quote({ market_cap: 3.98e12, market_cap_currency: "USD", trailing_pe: 40.925644 }));
  view.paint();
  assert.deepEqual(classes.map((name) => panel.classList.contains(name)), [false, true, true, false]);
  assert.deepEqual(text("market_cap", "trailing_pe"), [`${compact(3.98e12)} USD`, price(40.93, 2)]);
});

test("the panel of a stock without a price says why", () => {
  const stock = aStock();
  stock.lack("not_offered", "NIFTY24APR18000CE expired on 25 April 2024.");
  const { view, text } = aPanel(stock);
  view.paint();
  assert.deepEqual(text("lack"), ["NIFTY24APR18000CE expired on 25 April 2024."]);
  stock.take(quote());
  view.paint();
  assert.deepEqual(text("lack"), [""]);
});
