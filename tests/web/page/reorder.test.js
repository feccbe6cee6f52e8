import "./browser.js";
import assert from "node:assert/strict";
import { test } from "node:test";

import { scrollSpeed } from "../../../src/stocktrack/web/page/board/dragging.js";
import { movedBy, movedTo } from "../../../src/stocktrack/web/page/board/reorder.js";
import { offered } from "../../../src/stocktrack/web/page/board/starters.js";
import { placedBack } from "../../../src/stocktrack/web/page/session/shown-list.js";
import { renamedTo } from "../../../src/stocktrack/web/page/session/lists.js";

const LIST = ["A", "B", "C", "D"];

test("a row that is dropped on another stands before or behind it", () => {
  assert.deepEqual(movedTo(LIST, "D", "B", false), ["A", "D", "B", "C"]);
  assert.deepEqual(movedTo(LIST, "A", "C", true), ["B", "C", "A", "D"]);
  assert.deepEqual(movedTo(LIST, "A", "A", true), LIST);
  assert.deepEqual(movedTo(LIST, "A", "GONE", true), LIST);
  assert.deepEqual(movedTo(LIST, "GONE", "A", true), LIST);
});

test("a key moves a row by one of those that are shown, and not beyond the ends", () => {
  assert.deepEqual(movedBy(LIST, LIST, "B", 1), ["A", "C", "B", "D"]);
  assert.deepEqual(movedBy(LIST, LIST, "A", -1), LIST);
  assert.deepEqual(movedBy(LIST, LIST, "D", 1), LIST);
  // B and C are filtered out.
  assert.deepEqual(movedBy(LIST, ["A", "D"], "D", -1), ["D", "A", "B", "C"]);
});

test("near an edge it scrolls, the nearer the faster, and in the middle not at all", () => {
  const screen = { start: 0, end: 800 };
  assert.equal(scrollSpeed(400, screen), 0);
  assert.ok(scrollSpeed(790, screen) > scrollSpeed(760, screen) && scrollSpeed(760, screen) > 0);
  assert.ok(scrollSpeed(5, screen) < scrollSpeed(40, screen) && scrollSpeed(40, screen) < 0);
  assert.equal(scrollSpeed(-500, screen), -scrollSpeed(1_500, screen));
});

test("a stock that comes back stands where it stood among those that are there now", () => {
  assert.deepEqual(placedBack(["A", "C", "D", "B"], "B", LIST), LIST);
  assert.deepEqual(placedBack(["C", "D", "A"], "A", LIST), ["A", "C", "D"]);
  assert.deepEqual(placedBack(["X", "D"], "B", LIST), ["X", "B", "D"]);
  assert.deepEqual(placedBack(["X", "Y"], "B", LIST), ["X", "Y", "B"]);
  // Two that were removed one after the other come back in either order.
  assert.deepEqual(placedBack(["A", "C"], "B", ["B", "C"]), ["A", "B", "C"]);
});

test("a list that is gone is the one that is new under another name, where there is only one", () => {
  assert.equal(renamedTo(new Set(["a", "b"]), ["main", "a"], ["main", "b"]), "b");
  assert.equal(renamedTo(new Set(["a"]), ["main", "a"], ["main", "b"]), null);
  assert.equal(renamedTo(new Set(["a", "b", "c"]), ["main", "a"], ["main", "b", "c"]), null);
  assert.deepEqual(offered.value, []);
});
