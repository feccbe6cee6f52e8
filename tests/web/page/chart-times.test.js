import assert from "node:assert/strict";
import { test } from "node:test";

import { aReply, bar, DAY, MINUTE, OPENS } from "./bars.js";
import { ChartTimes } from "../../../src/stocktrack/web/page/chart/chart-times.js";
import { PriceBars } from "../../../src/stocktrack/web/page/session/price-bars.js";

const TYPES = { Year: 0, Month: 1, DayOfMonth: 2, Time: 3, TimeWithSeconds: 4 };

function timesOf(reply) {
  const bars = new PriceBars(reply);
  const times = new ChartTimes(bars);
  const all = bars.bars.map((_, place) => times.at(place));
  return { bars, times, all };
}

test("a bar has the time that the exchange's clock shows, and its label says it", () => {
  const { times, all } = timesOf(aReply([100, 101]));
  assert.deepEqual(all, [Date.parse("2026-11-27T09:30Z") / 1_000, Date.parse("2026-11-27T09:35Z") / 1_000]);
  assert.equal(times.label(all[1]), "Fri 27 Nov 09:35");
  assert.deepEqual([TYPES.Year, TYPES.Month, TYPES.DayOfMonth, TYPES.Time].map((type) => times.tickLabel(all[0], type, TYPES)), ["2026", "Nov", "27 Nov", "09:30"]);
});

test("days begin at midnight whatever time they opened at, on both sides of a change of the clocks", () => {
  const opened = [Date.parse("2026-10-30T13:30Z"), Date.parse("2026-11-02T14:30Z")];
  const { all, times } = timesOf(aReply([], { interval: "1d", bars: opened.map((time) => bar(time, 1)) }));
  assert.deepEqual(all, [Date.parse("2026-10-30T00:00Z") / 1_000, Date.parse("2026-11-02T00:00Z") / 1_000]);
  assert.equal(times.label(all[1]), "2 Nov 2026");
});

test("where an hour comes twice the times still go on, and each label is the right one", () => {
  const first = Date.parse("2026-11-01T05:30Z");
  const { all, times } = timesOf(aReply([], { interval: "30m", bars: [0, 1, 2, 3, 4].map((half) => bar(first + half * 30 * MINUTE, 1)) }));
  assert.ok(all.every((time, place) => place === 0 || time > all[place - 1]));
  assert.deepEqual(all.map((time) => times.tickLabel(time, TYPES.Time, TYPES)), ["01:30", "01:00", "01:30", "02:00", "02:30"]);
});

test("months are told by their names", () => {
  const { all, times } = timesOf(aReply([], { interval: "1mo", bars: [bar(OPENS, 1), bar(OPENS + 7 * DAY, 2)] }));
  assert.equal(times.label(all[0]), "Nov 2026");
});

test("bars that are added later get their times, and an unknown time has no label", () => {
  const { bars, times } = timesOf(aReply([100]));
  bars.bars.push(bar(OPENS + 5 * MINUTE, 101));
  assert.equal(times.placeOf(times.at(1)), 1);
  assert.deepEqual([times.placeOf(7), times.label(7), times.tickLabel(7, TYPES.Time, TYPES)], [null, "", ""]);
});
