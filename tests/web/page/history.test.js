import assert from "node:assert/strict";
import { test } from "node:test";

import { History } from "../../../src/stocktrack/web/page/figures/history.js";

const kept = (history) => [...history.prices.slice(0, history.length)];
const times = (history) => [...history.times.slice(0, history.length)];

test("of several prices in a second the last one stays", () => {
  const history = new History();
  history.add(10_000, 1);
  history.add(10_999, 2);
  history.add(11_000, 3);
  assert.deepEqual([times(history), kept(history)], [[10_000, 11_000], [2, 3]]);
});

test("a time that goes back changes the newest price and adds no point", () => {
  const history = new History();
  history.add(20_000, 1);
  history.add(15_000, 2);
  assert.deepEqual([times(history), kept(history)], [[20_000], [2]]);
});

test("the arrays grow, and what they hold stays", () => {
  const history = new History();
  for (let second = 0; second < 200; second += 1) history.add(second * 1_000, second);
  assert.equal(history.length, 200);
  assert.deepEqual(kept(history), Array.from({ length: 200 }, (_, second) => second));
  assert.equal(history.generation, 0);
});

test("when it is full every second point goes, the newest stays, and a chart is told", () => {
  const history = new History();
  for (let second = 0; second < 1_025; second += 1) history.add(second * 1_000, second);
  assert.equal(history.generation, 1);
  assert.deepEqual([history.prices[0], history.prices[1], history.prices[history.length - 1]], [1, 3, 1_024]);
  assert.equal(history.length, 513);
});

test("a whole day stays in bounded memory, from its beginning to its end, in order", () => {
  const history = new History();
  for (let second = 0; second < 86_400; second += 1) history.add(second * 1_000, second);
  const all = times(history);
  assert.ok(history.length > 400 && history.length <= 1_024);
  assert.equal(history.prices.length, 1_024);
  assert.deepEqual(all, [...new Set(all)].sort((one, other) => one - other));
  assert.ok(all[0] < 200_000);
  assert.equal(history.prices[history.length - 1], 86_399);
});
