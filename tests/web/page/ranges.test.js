import { lastingStorage } from "./browser.js";
import assert from "node:assert/strict";
import { test } from "node:test";

const KEY = "stocktrack.chart";
let copies = 0;

/** The module as a browser loads it that has `stored` from before. */
function loaded(stored) {
  if (stored === undefined) lastingStorage.removeItem(KEY);
  else lastingStorage.setItem(KEY, stored);
  copies += 1;
  return import(`../../../src/stocktrack/web/page/chart/ranges.js?copy=${copies}`);
}

test("a new visitor begins with the day as a line", async () => {
  const { choice, questionOf } = await loaded();
  assert.deepEqual(choice.value, { range: "1d", isCandles: false, hasExtended: false });
  assert.deepEqual(questionOf(choice.value).intervals[0], "2m");
});

test("what was chosen is there after a reload", async () => {
  const { choose } = await loaded();
  choose({ range: "1y", isCandles: true });
  const { choice } = await loaded(lastingStorage.getItem(KEY));
  assert.deepEqual(choice.value, { range: "1y", isCandles: true, hasExtended: false });
});

test("what is stored and makes no sense is forgotten", async () => {
  for (const stored of ["{", "null", '{"range":"9y"}', '{"range":"__proto__"}', '{"range":7,"isCandles":"yes"}']) {
    const { choice } = await loaded(stored);
    assert.deepEqual(choice.value, { range: "1d", isCandles: false, hasExtended: false }, stored);
  }
});

test("extended hours are of the day alone, in bars that leave room for them", async () => {
  const { questionOf } = await loaded();
  const day = questionOf({ range: "1d", isCandles: false, hasExtended: true });
  assert.deepEqual([day.prepost, day.intervals], [true, ["5m", "15m", "1h", "1d"]]);
  assert.equal(questionOf({ range: "5d", isCandles: false, hasExtended: true }).prepost, false);
});

test("each range goes from its bars to longer ones", async () => {
  const { questionOf, RANGES } = await loaded();
  const order = ["1m", "2m", "5m", "15m", "30m", "1h", "1d", "1wk", "1mo"];
  for (const { key } of RANGES) {
    for (const isCandles of [false, true]) {
      const places = questionOf({ range: key, isCandles, hasExtended: true }).intervals.map((interval) => order.indexOf(interval));
      assert.deepEqual(places, [...new Set(places)].sort((one, other) => one - other));
      assert.ok(places.every((place) => place >= 0));
    }
  }
});

test("the ranges go round", async () => {
  const { rangeAfter } = await loaded();
  assert.deepEqual([rangeAfter("1d", 1), rangeAfter("1d", -1), rangeAfter("max", 1)], ["5d", "max", "1d"]);
});
