import { lastingStorage } from "./browser.js";
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { choice, choiceIn, chooseDensity, moveColumn, moved, resetChoice, wantColumn } from "../../../src/stocktrack/web/page/board/choice.js";

const KEY = "stocktrack.columns";

afterEach(resetChoice);

test("nobody's choice keeps nothing in the browser, and what was chosen is read again as it was", () => {
  assert.equal(lastingStorage.getItem(KEY), null);
  wantColumn("pe", true);
  wantColumn("volume", false);
  moveColumn("age", "price");
  chooseDensity("comfortable");
  assert.deepEqual(choiceIn(lastingStorage.getItem(KEY)), choice.value);
  assert.deepEqual([choice.value.pinned, choice.value.hidden, choice.value.density], [["pe"], ["volume"], "comfortable"]);
  resetChoice();
  assert.equal(lastingStorage.getItem(KEY), null);
});

test("a column is wanted or not, and never both", () => {
  wantColumn("pe", true);
  wantColumn("pe", false);
  assert.deepEqual([choice.value.pinned, choice.value.hidden], [[], ["pe"]]);
  wantColumn("pe", true);
  assert.deepEqual([choice.value.pinned, choice.value.hidden], [["pe"], []]);
});

test("a column goes right before another one, or to the end", () => {
  assert.deepEqual(moved(["a", "b", "c"], "c", "a"), ["c", "a", "b"]);
  assert.deepEqual(moved(["a", "b", "c"], "a", "c"), ["b", "a", "c"]);
  assert.deepEqual(moved(["a", "b", "c"], "a", null), ["b", "c", "a"]);
  assert.deepEqual(moved(["a", "b", "c"], "b", "b"), ["a", "b", "c"]);
});

test("what is kept may be of another version, or of somebody who meddled with it", () => {
  const nobodys = choice.value;
  for (const text of [null, "", "{", "7", "null", '"x"', "[]", '{"order":"price","pinned":7}']) assert.deepEqual(choiceIn(text), nobodys, String(text));
  const old = choiceIn('{"order":["age","price","gone","age"],"pinned":["gone","pe"],"hidden":["price","pe","volume"],"density":"dense"}');
  assert.deepEqual(new Set(old.order), new Set(nobodys.order));
  assert.equal(old.order.length, nobodys.order.length);
  assert.ok(old.order.indexOf("age") < old.order.indexOf("price"));
  // The price is on every board.
  assert.deepEqual([old.pinned, old.hidden, old.density], [[], ["pe", "volume"], null]);
});
