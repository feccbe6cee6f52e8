// The small line in a row: the prices of this session on a canvas, redrawn at most once a second.

import { colours } from "./theme.js";

const WIDTH = 112;
const HEIGHT = 32;
const MARGIN = 3;
// More points than this cannot be told apart at that width.
const MOST_POINTS = 56;

/** Give `canvas` the pixels of this screen. */
export function prepare(canvas) {
  const scale = Math.min(2, devicePixelRatio || 1);
  canvas.width = WIDTH * scale;
  canvas.height = HEIGHT * scale;
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  return context;
}

/** Draw `history`; the line is green where the newest price is above the first. */
export function draw(context, history) {
  context.clearRect(0, 0, WIDTH, HEIGHT);
  const { length, prices } = history;
  if (length === 0) return;
  const step = Math.max(1, Math.ceil(length / MOST_POINTS));
  let low = Infinity;
  let high = -Infinity;
  for (let index = 0; index < length; index += 1) {
    if (prices[index] < low) low = prices[index];
    if (prices[index] > high) high = prices[index];
  }
  const first = prices[0];
  const last = prices[length - 1];
  const range = high - low || 1;
  const y = (price) => (high === low ? HEIGHT / 2 : MARGIN + (1 - (price - low) / range) * (HEIGHT - 2 * MARGIN));
  const { up, down, muted, line } = colours.value;
  const colour = last > first ? up : last < first ? down : muted;

  context.strokeStyle = line;
  context.lineWidth = 1;
  context.setLineDash([2, 3]);
  context.beginPath();
  context.moveTo(0, y(first));
  context.lineTo(WIDTH, y(first));
  context.stroke();
  context.setLineDash([]);

  const points = Math.floor((length - 1) / step) + 1;
  // A young session is drawn from the left on, and fills the width as it grows.
  const gap = (WIDTH - 2 * MARGIN) / Math.max(points - 1, 19);
  context.strokeStyle = colour;
  context.lineWidth = 1.5;
  context.lineJoin = "round";
  context.beginPath();
  let x = MARGIN;
  for (let index = (length - 1) % step; index < length; index += step) {
    if (x === MARGIN) context.moveTo(x, y(prices[index]));
    else context.lineTo(x, y(prices[index]));
    x += gap;
  }
  const end = x - gap;
  context.stroke();
  context.fillStyle = colour;
  context.beginPath();
  context.arc(end, y(last), 2, 0, 2 * Math.PI);
  context.fill();
}
