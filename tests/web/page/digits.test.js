import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { decimals, priceDigits, shownDigits } from "../../../src/stocktrack/web/page/figures/digits.js";
import * as format from "../../../src/stocktrack/web/page/figures/format.js";

// The terminal's tests read the same table.
const CASES = JSON.parse(readFileSync(new URL("../../price_digits.json", import.meta.url)));
const known = (value) => value ?? undefined;

test("a price has as many decimals here as in the terminal, and reads the same", () => {
  for (const { why, hint, price, change, others = [], digits, texts } of CASES) {
    const shown = priceDigits(price, known(hint), others.map(known));
    assert.equal(shown, digits, why);
    assert.deepEqual([format.price(price, shown), format.signed(change, shown)], texts, why);
  }
});

test("a PRICE that names no decimals has two, and a whole quote as many as its figures", () => {
  assert.equal(shownDigits({ type: "PRICE", price: 1.08153 }), 2);
  assert.equal(shownDigits({ type: "PRICE", price: 1.08153, price_hint: 5 }), 5);
  assert.equal(shownDigits({ price: 1.08, bid: 1.0801, ask: 1.08023 }), 5);
  assert.equal(shownDigits({ price: 1.08, price_hint: 4, ask: 1.08023 }), 4);
});

test("a number has as many decimals as it was given with, and the error of a sum is none of them", () => {
  const given = [100, 1.5, 0.24, 1.23456, 0.1 + 0.2, 1.123456789, 0.00000012, 0, 1e21];
  assert.deepEqual(given.map(decimals), [0, 1, 2, 5, 1, 9, 8, 0, 0]);
});
