import assert from "node:assert/strict";
import { test } from "node:test";

import { numberIn, toType, typed } from "../../../src/stocktrack/web/page/typed-numbers.js";

test("numbers are taken as people type them", () => {
  const cases = { "200": 200, " 1,234.5 ": 1_234.5, "1234,5": 1_234.5, "1,234": 1_234, "1 234.50": 1_234.5, "-.5": -0.5, "−3": -3, "5.": 5, "1’234": 1_234 };
  for (const [text, value] of Object.entries(cases)) assert.equal(numberIn(text), value, text);
});

test("what is no number is none", () => {
  for (const text of ["", "abc", "1.2.3", "1,2,3", "1e5", "0x10", "NaN", "--1", "5 %", "."]) assert.ok(Number.isNaN(numberIn(text)), text);
});

test("a number to be typed over is taken back as the same", () => {
  for (const [value, digits] of [[1_234.567, 3], [0.00001234, 8], [192.9, 2], [3_712, 0]]) assert.equal(numberIn(toType(value, digits)), value);
});

test("a number is read without the noise of doubles", () => {
  assert.deepEqual([0.1 + 0.2, 1_461, 72.505, 0.00123].map(typed), ["0.3", "1,461", "72.505", "0.00123"]);
});
