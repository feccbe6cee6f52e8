import assert from "node:assert/strict";
import { test } from "node:test";

import { numberIn, readerOf, toType, typed } from "../../../src/stocktrack/web/page/figures/typed-numbers.js";

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

test("in each language what begins with a zero is a fraction, and what is written and pasted there is taken", () => {
  const cases = {
    "en-GB": { "0,125": 0.125, "0.125": 0.125, "1.234,50": 1_234.5, "1.234": 1.234, "1,234": 1_234 },
    "de-DE": { "0.125": 0.125, "0,125": 0.125, "1.234,5": 1_234.5, "1,234.5": 1_234.5, "1.234": 1_234, "-1.234.567": -1_234_567 },
    "fr-FR": { "1\u202f234,5": 1_234.5, "1.234,5": 1_234.5, "1,234": 1.234 },
    "en-IN": { "12,34,567.5": 1_234_567.5, "12,34,567": 1_234_567 },
    "ar-EG": { "١٩٢٫٨٢": 192.82, "١٬٢٣٤٫٥": 1_234.5, "192.82": 192.82 },
    "fa-IR": { "۰٫۵": 0.5 },
  };
  for (const [language, those] of Object.entries(cases)) {
    for (const [text, value] of Object.entries(those)) assert.equal(readerOf(language)(text), value, `${language}: ${text}`);
  }
});
