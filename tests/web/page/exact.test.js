import assert from "node:assert/strict";
import { test } from "node:test";

import { exact } from "../../../src/stocktrack/web/page/figures/exact.js";

const sum = (...values) => values.map(exact).reduce((one, other) => one.plus(other));

test("sums and products have no noise", () => {
  assert.equal(sum(0.1, 0.2).rounded(20), 0.3);
  assert.equal(exact(1.1).times(exact(3)).rounded(20), 3.3);
  assert.equal(exact(1e-7).times(exact(1e21)).rounded(2), 1e14);
  assert.equal(sum(...Array(1_000).fill(0.01)).rounded(2), 10);
});

test("halves are rounded away from zero, once", () => {
  assert.deepEqual([1.005, -1.005, 2.675, 0.125, 0.0049].map((value) => exact(value).rounded(2)), [1.01, -1.01, 2.68, 0.13, 0]);
  assert.deepEqual([2.5, -2.5].map((value) => exact(value).rounded(0)), [3, -3]);
});

test("percent are of the whole, to two decimals, and none of nothing", () => {
  assert.equal(exact(433.5).percentOf(exact(1_461)), 29.67);
  assert.equal(exact(-1).percentOf(exact(3)), -33.33);
  assert.equal(exact(1).percentOf(exact(0)), undefined);
});

test("what is rounded to nothing has no sign", () => {
  assert.ok(Object.is(exact(-0.001).rounded(2), 0));
  assert.equal(exact(-0.001).sign, -1);
});
