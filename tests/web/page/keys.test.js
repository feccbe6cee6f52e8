import assert from "node:assert/strict";
import { test } from "node:test";

import { actionOf } from "../../../src/stocktrack/web/page/frame/keys.js";

const ON_A_ROW = { isOnRow: true, isOnPage: false, isAnythingOpen: false };
const ON_THE_PAGE = { isOnRow: false, isOnPage: true, isAnythingOpen: false };
const IN_THE_PANEL = { isOnRow: false, isOnPage: false, isAnythingOpen: true };

test("letters and signs mean the same wherever the keyboard stands", () => {
  for (const place of [ON_A_ROW, ON_THE_PAGE, IN_THE_PANEL]) {
    assert.deepEqual(["/", "j", "k", "t", "?"].map((key) => actionOf(key, place)), ["add", "next", "previous", "theme", "keys"]);
  }
});

test("the arrow keys go from row to row on the board, and scroll in the panel", () => {
  assert.deepEqual(["ArrowDown", "ArrowUp"].map((key) => actionOf(key, ON_A_ROW)), ["next", "previous"]);
  assert.deepEqual(["ArrowDown", "ArrowUp"].map((key) => actionOf(key, ON_THE_PAGE)), ["next", "previous"]);
  assert.deepEqual(["ArrowDown", "ArrowUp"].map((key) => actionOf(key, IN_THE_PANEL)), [null, null]);
});

test("what changes a stock needs a row under the keyboard", () => {
  assert.deepEqual(["Delete", "Home", "End"].map((key) => actionOf(key, ON_A_ROW)), ["remove", "first", "last"]);
  assert.deepEqual(["Delete", "Home", "End"].map((key) => actionOf(key, ON_THE_PAGE)), [null, null, null]);
});

test("escape closes the panel, and means nothing while none is open", () => {
  assert.equal(actionOf("Escape", IN_THE_PANEL), "close");
  assert.equal(actionOf("Escape", ON_A_ROW), null);
});

test("the brackets turn the lists, and f and c filter rows and choose columns, wherever the keyboard is", () => {
  for (const where of [ON_A_ROW, ON_THE_PAGE, IN_THE_PANEL]) assert.deepEqual(["[", "]", "f", "c"].map((key) => actionOf(key, where)), ["previousList", "nextList", "filter", "columns"]);
});

test("any other key is the browser's", () => {
  for (const key of ["b", "Enter", "ArrowLeft", "toString", "constructor"]) assert.equal(actionOf(key, ON_A_ROW), null, key);
});
