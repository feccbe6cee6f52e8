import assert from "node:assert/strict";
import { test } from "node:test";

import { fitted } from "../../../src/stocktrack/web/page/board/fitting.js";

const CANDIDATES = [
  { key: "symbol", rank: 0, least: 80 },
  { key: "name", rank: 4, least: 100, most: 250 },
  { key: "price", rank: 0, least: 90 },
  { key: "percent", rank: 1, least: 70 },
  { key: "line", rank: 5, least: 110 },
];
const fit = (room) => fitted(CANDIDATES, room);
const total = ({ widths }) => [...widths.values()].reduce((sum, width) => sum + width, 0);

test("the lowest rank gets room first, and the columns keep their order", () => {
  assert.deepEqual(fit(170).keys, ["symbol", "price"]);
  assert.deepEqual(fit(240).keys, ["symbol", "price", "percent"]);
  assert.deepEqual(fit(340).keys, ["symbol", "name", "price", "percent"]);
  assert.deepEqual(fit(450).keys, ["symbol", "name", "price", "percent", "line"]);
});

test("a narrower one takes the room that is too little for one before it", () => {
  assert.deepEqual(fitted([...CANDIDATES, { key: "dot", rank: 9, least: 20 }], 260).keys, ["symbol", "price", "percent", "dot"]);
});

test("what is left goes to those that may be wider, and then to all alike, so that the whole width is used", () => {
  assert.equal(fit(500).widths.get("name"), 150);
  const wide = fit(700);
  assert.equal(wide.widths.get("name"), 250 + 20);
  assert.equal(wide.widths.get("price"), 90 + 20);
  for (const room of [240, 341, 500, 700, 3000]) assert.ok(Math.abs(total(fit(room)) - room) < 0.01, String(room));
});

test("of two that may be wider the lower rank is first", () => {
  const both = [{ key: "a", rank: 4, least: 10, most: 100 }, { key: "b", rank: 1, least: 10, most: 50 }];
  assert.deepEqual([...fitted(both, 60).widths], [["a", 10], ["b", 50]]);
});

test("where there is not even room for what is always there, it is there all the same", () => {
  assert.deepEqual(fit(100).keys, ["symbol", "price"]);
  assert.equal(fit(100).widths.get("price"), 90);
});
