import "./browser.js";
import assert from "node:assert/strict";
import { test } from "node:test";

import { replaceGlobal } from "./globals.js";
import { PriceBars } from "../../../src/stocktrack/web/page/session/price-bars.js";
import { draw, lineOf, lineWords, prepare } from "../../../src/stocktrack/web/page/board/sparkline.js";
import { Stock } from "../../../src/stocktrack/web/page/session/stock.js";
import { colours } from "../../../src/stocktrack/web/page/base/theme.js";

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
  const stock = new Stock("AAPL");
  prices.forEach((price, second) => stock.history.add(second * 1_000, price));
  const context = new FakeContext();
  draw(context, lineOf(stock));
  return context;
}

test("without a price nothing is drawn, and what was there goes", () => {
  const context = new FakeContext();
  context.strokes = ["old"];
  draw(context, lineOf(new Stock("AAPL")));
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

/** A stock with bars of a quarter of an hour whose closes are these, the first of which opened at `open`. */
function withDay(quote, open, ...closes) {
  const stock = new Stock("AAPL");
  stock.take({ symbol: "AAPL", received_at: 0, market_state: "closed", stale: false, ...quote });
  const bars = closes.map((close, place) => ({ time: place * 900_000, open: closes[place - 1] ?? open, high: close, low: close, close }));
  stock.showDay(new PriceBars({ bars, interval: "15m", timezone: "UTC" }));
  return stock;
}

test("with the day's bars the line goes from the opening to the newest close", () => {
  const { length, priceAt } = lineOf(withDay({ price: 12 }, 10, 11, 9, 12));
  assert.deepEqual(Array.from({ length }, (_, index) => priceAt(index)), [10, 11, 9, 12]);
});

test("the day is green above the close before it and red below, whatever it did since it opened", () => {
  const context = new FakeContext();
  draw(context, lineOf(withDay({ price: 12, change: -3 }, 10, 11, 12)));
  assert.equal(context.strokes[1].colour, "red");
  // The close before is on the drawing, at 15.
  assert.deepEqual([context.strokes[0].points[0][1], context.strokes[1].points[0][1]], [3, 29]);
  assert.equal(lineOf(withDay({ price: 12 }, 10, 12)).base, 10);
});

test("what the market does is another drawing, and a price that comes again is none", () => {
  const stock = withDay({ price: 12, timestamp: 900_000 }, 10, 11, 12);
  const before = lineOf(stock).key;
  const push = { symbol: "AAPL", market_state: "open", stale: false, received_at: 901_000, timestamp: 901_000, change: undefined };
  stock.take({ ...push, price: 12 });
  assert.equal(lineOf(stock).key, before);
  stock.take({ ...push, price: 13 });
  assert.notEqual(lineOf(stock).key, before);
});

test("a fine screen gets up to twice the pixels for the same size", () => {
  const canvas = { getContext: () => ({ scale: (x, y) => { canvas.scaled = [x, y]; } }) };
  replaceGlobal("devicePixelRatio", 3);
  prepare(canvas);
  assert.deepEqual([canvas.width, canvas.height, canvas.scaled], [224, 64, [2, 2]]);
});

test("the line has the colour of the change beside it, also where it goes the other way since the page was opened", () => {
  const stock = new Stock("AAPL");
  const push = { symbol: "AAPL", market_state: "open", stale: false };
  stock.take({ ...push, price: 12, change: 3, received_at: 0 });
  stock.take({ ...push, price: 11, change: 2, received_at: 60_000 });
  const line = lineOf(stock);
  const context = new FakeContext();
  draw(context, line);
  // It has no dotted line: the close before is not on the drawing.
  assert.deepEqual(context.strokes.map(({ colour }) => colour), ["green"]);
  assert.equal(lineWords(line, String), "Prices since you opened the page, from 12 to 11; above the last close, as the change beside it says.");
});

test("the day's line says what it is, and what the dotted line is", () => {
  assert.equal(
    lineWords(lineOf(withDay({ price: 12, change: -3 }, 10, 11, 12)), String),
    "The day’s line: 12 is below the close before, 15 (dotted). It opened at 10.",
  );
  assert.equal(lineWords(lineOf(withDay({ price: 12 }, 10, 12)), String), "The day’s line: 12 is above the day’s opening, 10 (dotted). It opened at 10.");
  assert.equal(lineWords(lineOf(new Stock("AAPL")), String), "");
});
