import assert from "node:assert/strict";
import { test } from "node:test";

import { zoneClock } from "../../../src/stocktrack/web/page/figures/zone.js";

const newYork = zoneClock("America/New_York");
const at = (iso) => Date.parse(iso);

test("the clock of an exchange shows its own time, in summer and in winter", () => {
  assert.deepEqual([newYork.time(at("2026-07-01T13:30Z")), newYork.time(at("2026-11-27T14:30Z"))], ["09:30", "09:30"]);
  assert.equal(zoneClock("Asia/Kolkata").time(at("2026-11-27T03:45Z")), "09:15");
});

test("what the wall shows jumps when the clocks are changed", () => {
  const before = newYork.wallMs(at("2026-11-01T05:59Z"));
  const after = newYork.wallMs(at("2026-11-01T06:01Z"));
  assert.equal(after - before, 2 * 60_000 - 3_600_000);
});

test("a day is the exchange's", () => {
  const tokyo = zoneClock("Asia/Tokyo");
  const [evening, morning] = [at("2026-11-26T14:59Z"), at("2026-11-26T15:00Z")];
  assert.equal(tokyo.dayNumber(morning) - tokyo.dayNumber(evening), 1);
  assert.equal(newYork.dayNumber(morning), newYork.dayNumber(evening));
  assert.deepEqual([tokyo.weekday(morning), tokyo.day(morning), tokyo.shortDay(morning)], ["Fri 27 Nov", "27 Nov 2026", "27 Nov"]);
});

test("times before 1970 are on the wall, too", () => {
  assert.equal(newYork.day(at("1962-01-02T14:30Z")), "2 Jan 1962");
  assert.equal(newYork.wallMs(at("1962-01-02T14:30Z")), at("1962-01-02T09:30Z"));
});

test("a person is told whose time it is", () => {
  assert.deepEqual(["America/New_York", "America/Argentina/Buenos_Aires", "UTC", "Etc/GMT+5"].map((name) => zoneClock(name).said), ["New York time", "Buenos Aires time", "UTC", "Etc/GMT+5"]);
});

test("a zone that the browser does not know is UTC", () => {
  const clock = zoneClock("Moon/Tranquility");
  assert.deepEqual([clock.said, clock.time(at("2026-11-27T14:30Z"))], ["UTC", "14:30"]);
});
