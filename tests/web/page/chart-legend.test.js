import "./browser.js";
import assert from "node:assert/strict";
import { test } from "node:test";

import { aPrice, aReply, bar, DAY, MINUTE, OPENS } from "./bars.js";
import { legendOf, previousCloseOf } from "../../../src/stocktrack/web/page/chart/chart-legend.js";
import { PriceBars } from "../../../src/stocktrack/web/page/session/price-bars.js";
import { Stock } from "../../../src/stocktrack/web/page/session/stock.js";

function aStock(quote) {
  const stock = new Stock("AAPL");
  stock.take({ ...aPrice(101, 6 * MINUTE), ...quote });
  return stock;
}

const told = ({ figures }) => figures.map(({ label, text }) => `${label} ${text}`).join(" ");

test("at rest it says how the day went since the close before, and the figures of the newest bar", () => {
  const legend = legendOf(aStock({ change: 1.5 }), new PriceBars(aReply([100, 101])), "1d", null);
  assert.deepEqual([legend.title, legend.change, legend.sign, legend.note], ["1D", "+1.51%", 1, "Fri 27 Nov · 5-minute bars"]);
  assert.equal(told(legend), "O 101.00 H 102.00 L 100.00 C 101.00 Vol 10");
});

test("a longer range is counted from its own beginning, which is told", () => {
  const bars = [bar(OPENS - 364 * DAY, 2_000), bar(OPENS, 1_500)];
  const legend = legendOf(aStock({ change: 1.5 }), new PriceBars(aReply([], { interval: "1d", bars })), "1y", null);
  assert.deepEqual([legend.title, legend.change, legend.sign, legend.note], ["1Y", "−25.00%", -1, "since 28 Nov 2025 · daily bars"]);
  assert.ok(told(legend).startsWith("O 1,500.00"));
});

test("under the crosshair it is the bar's time, its figures, and its change since the bar before", () => {
  const bars = new PriceBars(aReply([100, 110]));
  const legend = legendOf(aStock(), bars, "1d", 1);
  assert.deepEqual([legend.title, legend.change, legend.note], ["Fri 27 Nov 09:35", "+10.00%", ""]);
  bars.bars[1].market_state = "post";
  assert.equal(legendOf(aStock(), bars, "1d", 1).note, "after hours");
});

test("without volume there is none in the legend", () => {
  const bars = new PriceBars(aReply([], { bars: [bar(OPENS, 1, { volume: undefined })] }));
  assert.ok(!told(legendOf(aStock(), bars, "1d", null)).includes("Vol"));
});

test("without a close before the day is counted from its opening", () => {
  assert.equal(legendOf(aStock(), new PriceBars(aReply([100, 110])), "1d", null).change, "+10.00%");
});

test("before the market opens the close before is the regular price of the day before", () => {
  const early = new PriceBars(aReply([], { bars: [bar(OPENS - 60 * MINUTE, 103, { market_state: "pre" })] }), { hasExtended: true });
  const stock = aStock({ market_state: "pre", timestamp: OPENS - DAY, change: 5 });
  assert.equal(previousCloseOf(stock, early), 101);
  assert.equal(previousCloseOf(aStock({ change: 5 }), new PriceBars(aReply([100]))), 96);
});
