import assert from "node:assert/strict";
import { test } from "node:test";

import { exact } from "../../../src/stocktrack/web/page/figures/exact.js";
import { csvOf } from "../../../src/stocktrack/web/page/holdings/holding-csv.js";
import { costOf, dayPercent, gainPercent, moneyDigits, standing, totalsOf, weightOf } from "../../../src/stocktrack/web/page/holdings/holding-sums.js";

const lots = {
  AAPL: [{ quantity: 10, unit_cost: 146, fixed_cost: 1 }],
  "VOD.L": [{ quantity: 1_000, unit_cost: 72.5, fixed_cost: 5 }],
  BASE: [{ quantity: 10, unit_cost: 5, fixed_cost: 0 }, { quantity: -10, unit_cost: 7, fixed_cost: 0 }],
};
const held = {
  AAPL: { symbol: "AAPL", name: "Apple Inc.", quantity: 10, unit_cost: 146.1, price: 189.45, currency: "USD", day_change: 12, rate: 1, converted: {} },
  "VOD.L": { symbol: "VOD.L", quantity: 1_000, unit_cost: 72.505, price: 68.22, currency: "GBp", day_change: 100, rate: 0.0127, converted: {} },
  BASE: { symbol: "BASE", quantity: 0, price: 6, currency: "USD", day_change: 0, rate: 1, converted: {} },
};
const at = (symbol, quote) => standing(held[symbol], costOf(lots[symbol]), quote);

test("without a newer price it is what the server said, to the cent", () => {
  const { cost, value, dayChange, gain } = at("AAPL");
  assert.deepEqual([cost, value, dayChange, gain].map((amount) => amount.rounded(2)), [1_461, 1_894.5, 12, 433.5]);
  assert.deepEqual([dayPercent(at("AAPL")), gainPercent(at("AAPL"), 10)], [0.64, 29.67]);
});

test("a newer price makes a newer value, change and gain", () => {
  const now = at("AAPL", { price: 200.1, change: 11.85, currency: "USD" });
  assert.deepEqual([now.value, now.dayChange, now.gain].map((amount) => amount.rounded(2)), [2_001, 118.5, 540]);
});

test("pence are pence in their own money, and pounds' worth in the total", () => {
  const now = at("VOD.L", { price: 70, change: 1, currency: "GBp" });
  assert.deepEqual([now.value.rounded(2), now.converted.value.rounded(2), now.converted.cost.rounded(2)], [70_000, 889, 920.81]);
});

test("a price in another currency than the holding's is not reckoned with", () => {
  assert.equal(at("VOD.L", { price: 0.7, change: 0.01, currency: "GBP" }).value.rounded(2), 68_220);
});

test("totals are sums of exact money, of what has a price and a rate", () => {
  const none = standing({ symbol: "X", quantity: 5 }, costOf([{ quantity: 5, unit_cost: 3 }]), undefined);
  const noRate = standing({ symbol: "Y", quantity: 5, price: 3, currency: "XXX" }, costOf([{ quantity: 5, unit_cost: 3 }]), undefined);
  const totals = totalsOf([at("AAPL"), at("VOD.L"), at("BASE"), none, noRate]);
  assert.deepEqual([totals.cost, totals.value, totals.dayChange, totals.gain].map((amount) => amount.rounded(2)), [2_361.81, 2_760.89, 13.27, 399.08]);
  assert.deepEqual([at("AAPL"), at("VOD.L"), none].map((each) => weightOf(each, totals)), [68.62, 31.38, undefined]);
  assert.deepEqual([none.converted, noRate.converted, totalsOf([none]).isEmpty], [undefined, undefined, true]);
});

test("what is sold out has a gain and no percent of it", () => {
  const { value, gain } = at("BASE");
  assert.deepEqual([value.rounded(2), gain.rounded(2), gainPercent(at("BASE"), 0)], [0, 20, undefined]);
});

test("money has the decimals of its least coin", () => {
  assert.deepEqual(["USD", "JPY", "KWD", "GBp", "BTC", undefined, "?"].map(moneyDigits), [2, 0, 3, 2, 8, 2, 2]);
});

test("the CSV has the server's columns, plain numbers, and no formula of anybody's", () => {
  const holding = { ...held.AAPL, name: '=HYPERLINK("http://x"), Inc.' };
  const rows = [
    { holding, standing: at("AAPL"), isStale: true, why: undefined },
    { holding: { symbol: "X", quantity: 1e-7 }, standing: { cost: exact(-3) }, isStale: false, why: "There is no price of X: it is in no total." },
  ];
  const [head, first, second, end] = csvOf(rows, totalsOf([at("AAPL")]), "USD").split("\r\n");
  assert.equal(head, "symbol,name,quantity,unit_cost,price,currency,cost,value,day_change,day_change_percent,gain,gain_percent,weight,stale,rate," +
    "total_currency,total_cost,total_value,total_day_change,total_gain,missing");
  assert.equal(first, 'AAPL,"\'=HYPERLINK(""http://x""), Inc.",10,146.1,189.45,USD,1461,1894.5,12,0.64,433.5,29.67,100,true,1,USD,1461,1894.5,12,433.5,');
  assert.equal(second, "X,,0.0000001,,,,-3,,,,,,,,,,,,,,There is no price of X: it is in no total.");
  assert.equal(end, "");
});
