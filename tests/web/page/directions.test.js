import assert from "node:assert/strict";
import { test } from "node:test";

import { isolated, unmarked } from "../../../src/stocktrack/web/page/figures/directions.js";
import { readerOf } from "../../../src/stocktrack/web/page/figures/typed-numbers.js";

const signed = (language, value) => unmarked(new Intl.NumberFormat(language, { signDisplay: "exceptZero", minimumFractionDigits: 2 }).format(value));

test("a number has its sign before its digits, and nothing that turns it round", () => {
  assert.equal(signed("ar-EG", 1.23), "+١٫٢٣");
  assert.equal(signed("ar-EG", -37.63), "-٣٧٫٦٣");
  for (const language of ["he-IL", "fa-IR", "de-DE", "en-GB"]) assert.match(signed(language, -1.5), /^[-−]\p{Nd}.\p{Nd}{2}$/u, language);
});

test("a number with such marks is read all the same", () => {
  for (const language of ["ar-EG", "he-IL", "fa-IR"]) {
    assert.equal(readerOf(language)(new Intl.NumberFormat(language, { minimumFractionDigits: 2 }).format(-37.63)), -37.63, language);
  }
});

test("a date from right to left stands by itself, and another one as it is", () => {
  assert.equal(isolated("الجمعة، ٥ أبريل"), "\u2068الجمعة، ٥ أبريل\u2069");
  assert.equal(isolated("Fri 5 Apr"), "Fri 5 Apr");
  assert.equal(isolated("5 अप्रैल"), "5 अप्रैल");
});
