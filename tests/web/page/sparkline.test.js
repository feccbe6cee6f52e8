import "./browser.js";
import assert from "node:assert/strict";
import { test } from "node:test";

import { replaceGlobal } from "./globals.js";
import { History } from "../../../src/stocktrack/web/page/history.js";
import { draw, prepare } from "../../../src/stocktrack/web/page/sparkline.js";
import { colours } from "../../../src/stocktrack/web/page/theme.js";

colours.value = { up: "green", down: "red", muted: "grey", line: "faint" };

/** What was drawn: the strokes, each a colour with its points, and the dot at the end. */
class FakeContext {
  strokes = [];
  dot = null;
  #points = [];

  clearRect() {
    this.strokes = [];
    this.dot = null;
  }

  setLineDash() {}

  beginPath() {
    this.#points = [];
  }

  moveTo(x, y) {
    this.#points.push([x, y]);
  }

  lineTo(x, y) {
    this.#points.push([x, y]);
  }

  arc(x, y) {
    this.dot = [x, y];
  }

  stroke() {
    this.strokes.push({ colour: this.strokeStyle, points: this.#points });
  }

  fill() {
    this.dot.push(this.fillStyle);
  }
}

function drawn(...prices) {
  const history = new History();
  prices.forEach((price, second) => history.add(second * 1_000, price));
  const context = new FakeContext();
  draw(context, history);
  return context;
}

test("without a price nothing is drawn, and what was there goes", () => {
  const context = new FakeContext();
  context.strokes = ["old"];
  draw(context, new History());
  assert.deepEqual([context.strokes, context.dot], [[], null]);
});

test("the line is green above the first price, red below it, and grey where they are equal", () => {
  assert.deepEqual([drawn(1, 2), drawn(2, 1), drawn(1, 2, 1)].map(({ strokes }) => strokes[1].colour), ["green", "red", "grey"]);
});

test("the highest price touches the upper margin, the lowest the lower one, and the dot stands on the newest", () => {
  const { strokes, dot } = drawn(10, 30, 20);
  assert.deepEqual(strokes[1].points.map(([, y]) => y), [29, 3, 16]);
  assert.deepEqual(dot, [strokes[1].points.at(-1)[0], 16, "green"]);
});

test("the dotted line stands at the first price", () => {
  const { strokes } = drawn(10, 30, 20);
  assert.deepEqual([strokes[0].colour, strokes[0].points], ["faint", [[0, 29], [112, 29]]]);
});

test("a price that never moved is a line in the middle", () => {
  assert.deepEqual(drawn(5, 5, 5).strokes[1].points.map(([, y]) => y), [16, 16, 16]);
});

test("a young session grows from the left, and an old one fills the width in at most 56 points with the newest price", () => {
  const young = drawn(1, 2).strokes[1].points;
  assert.ok(young[1][0] < 10);
  const old = drawn(...Array.from({ length: 1_000 }, (_, second) => second)).strokes[1].points;
  assert.ok(old.length > 28 && old.length <= 56);
  assert.ok(Math.abs(old.at(-1)[0] - 109) < 1e-6);
  assert.equal(old.at(-1)[1], 3);
});

test("a fine screen gets up to twice the pixels for the same size", () => {
  const canvas = { getContext: () => ({ scale: (x, y) => { canvas.scaled = [x, y]; } }) };
  replaceGlobal("devicePixelRatio", 3);
  prepare(canvas);
  assert.deepEqual([canvas.width, canvas.height, canvas.scaled], [224, 64, [2, 2]]);
});
