// The small line in a row: the day's prices on a canvas, redrawn at most once a second. Until they are there, and where
// nobody has them, those since the page was opened.

import { colours } from "./theme.js";

const WIDTH = 112;
const HEIGHT = 32;
const MARGIN = 3;
// More points than this cannot be told apart at that width.
const MOST_POINTS = 56;
// A session that has just begun is drawn from the left on, and fills the width as it grows.
const FEWEST_SLOTS = 20;

/** Give `canvas` the pixels of this screen. */
export function prepare(canvas) {
  const scale = Math.min(2, devicePixelRatio || 1);
  canvas.width = WIDTH * scale;
  canvas.height = HEIGHT * scale;
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  return context;
}

/**
 * What to draw of `stock`: {length, priceAt, base, key}. `base` is the price that the line is green above and red
 * below; another `key` is another drawing.
 */
export function lineOf(stock) {
  const { day, history, previousClose } = stock;
  if (!day) {
    const { length, prices, generation } = history;
    return { length, priceAt: (index) => prices[index], base: prices[0], key: `${generation}/${length}/${prices[length - 1]}` };
  }
  const { bars, version } = day;
  // The line begins with the day, and not at the end of its first bar.
  const priceAt = (index) => (index === 0 ? bars[0].open : bars[index - 1].close);
  const length = bars.length + 1;
  return {
    length,
    priceAt,
    base: previousClose ?? bars[0].open,
    key: `day ${bars[0].time}/${bars.length}/${version}/${previousClose}`,
  };
}

/** Draw a line (lineOf). */
export function draw(context, { length, priceAt, base }) {
  context.clearRect(0, 0, WIDTH, HEIGHT);
  if (length === 0) return;
  const step = Math.max(1, Math.ceil(length / MOST_POINTS));
  let low = base;
  let high = base;
  for (let index = 0; index < length; index += 1) {
    low = Math.min(low, priceAt(index));
    high = Math.max(high, priceAt(index));
  }
  const last = priceAt(length - 1);
  const range = high - low || 1;
  const y = (price) => (high === low ? HEIGHT / 2 : MARGIN + (1 - (price - low) / range) * (HEIGHT - 2 * MARGIN));
  const { up, down, muted, line } = colours.value;
  const colour = last > base ? up : last < base ? down : muted;

  context.strokeStyle = line;
  context.lineWidth = 1;
  context.setLineDash([2, 3]);
  context.beginPath();
  context.moveTo(0, y(base));
  context.lineTo(WIDTH, y(base));
  context.stroke();
  context.setLineDash([]);

  const points = Math.floor((length - 1) / step) + 1;
  const gap = (WIDTH - 2 * MARGIN) / Math.max(points - 1, FEWEST_SLOTS - 1);
  context.strokeStyle = colour;
  context.lineWidth = 1.5;
  context.lineJoin = "round";
  context.beginPath();
  let x = MARGIN;
  for (let index = (length - 1) % step; index < length; index += step) {
    if (x === MARGIN) context.moveTo(x, y(priceAt(index)));
    else context.lineTo(x, y(priceAt(index)));
    x += gap;
  }
  const end = x - gap;
  context.stroke();
  context.fillStyle = colour;
  context.beginPath();
  context.arc(end, y(last), 2, 0, 2 * Math.PI);
  context.fill();
}
