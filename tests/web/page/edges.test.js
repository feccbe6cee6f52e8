import assert from "node:assert/strict";
import { test } from "node:test";

import { isCutAt, placeIn } from "../../../src/stocktrack/web/page/chart/edges.js";

test("a label whose half does not fit beside its bar is cut, at both edges, whatever is in sight", () => {
  const all = { from: -0.5, to: 99.5 };
  assert.deepEqual([0, 5, 6, 50, 93, 94].map((place) => isCutAt(place, all, 400, 25)), [true, true, false, false, false, true]);
  assert.equal(isCutAt(50, { from: 49, to: 80 }, 310, 25), true);
  assert.equal(isCutAt(52, { from: 49, to: 80 }, 310, 25), false);
});

test("a time is found among those that are there and in no other place", () => {
  const times = new Float64Array([1_000, 2_000, 5_000, 9_000, 0, 0]);
  assert.deepEqual([1_000, 2_000, 5_000, 9_000].map((time) => placeIn(times, 4, time)), [0, 1, 2, 3]);
  assert.deepEqual([0, 1_500, 10_000].map((time) => placeIn(times, 4, time)), [-1, -1, -1]);
  assert.equal(placeIn(times, 0, 1_000), -1);
});
