// The small line in a row: the day's prices on a canvas, redrawn at most once a second. Until they are there, and where
// nobody has them, those since the page was opened.

import { colours } from "../base/theme.js";

const SIZE = { width: 112, height: 32 };
const MARGIN = 3;
// More points than this cannot be told apart at that width.
const MOST_POINTS = 56;
// A session that has just begun is drawn from the left on, and fills the width as it grows.
const FEWEST_SLOTS = 20;

/** Give `canvas` the pixels of this screen; its size is in px. */
export function prepare(canvas, { width, height } = SIZE) {
  const scale = Math.min(2, devicePixelRatio || 1);
  canvas.width = width * scale;
  canvas.height = height * scale;
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  return context;
}

/**
 * What to draw of `stock`: {length, priceAt, base, sign, isDay, key}. `sign` is 1 where the line is green and -1 where it
 * is red: that of the change beside it, since the last close, wherever it is known. `base` is the price that the sign is
 * measured from, undefined where that is not on the drawing; another `key` is another drawing.
 */
export function lineOf(stock) {
  const { day, history, previousClose, quote } = stock;
  const changed = quote?.change === undefined ? undefined : Math.sign(quote.change);
  if (!day) {
    const { length, prices, generation } = history;
    const sign = changed ?? Math.sign(prices[length - 1] - prices[0]);
    return {
      length,
      priceAt: (index) => prices[index],
      // The close before may be far from what moved since the page was opened: drawn to it the line would be flat.
      base: changed === undefined ? prices[0] : undefined,
      sign,
      isDay: false,
      key: `${generation}/${length}/${prices[length - 1]}/${sign}`,
    };
  }
  const { bars, version } = day;
  // The line begins with the day, and not at the end of its first bar.
  const priceAt = (index) => (index === 0 ? bars[0].open : bars[index - 1].close);
  const length = bars.length + 1;
  const base = previousClose ?? bars[0].open;
  const sign = changed ?? Math.sign(priceAt(length - 1) - base);
  const baseWords = previousClose === undefined ? "the day’s opening" : "the close before";
  return { length, priceAt, base, baseWords, sign, isDay: true, key: `day ${bars[0].time}/${bars.length}/${version}/${previousClose}/${sign}` };
}

/** What a line (lineOf) shows, in words; `priceWords` writes a price. "" where nothing is drawn. */
export function lineWords({ length, priceAt, base, baseWords, sign, isDay }, priceWords) {
  if (length === 0) return "";
  const way = sign > 0 ? "above" : sign < 0 ? "below" : "at";
  const last = priceWords(priceAt(length - 1));
  if (!isDay && base === undefined) {
    const close = sign === 0 ? "unchanged since the last close" : `${way} the last close`;
    return `Prices since you opened the page, from ${priceWords(priceAt(0))} to ${last}; ${close}, as the change beside it says.`;
  }
  if (!isDay) return `Prices since you opened the page: ${last} is ${way} the first, ${priceWords(base)} (dotted).`;
  return `The day’s line: ${last} is ${way} ${baseWords}, ${priceWords(base)} (dotted). It opened at ${priceWords(priceAt(0))}.`;
}

/** Draw a line (lineOf). */
export function draw(context, { length, priceAt, base, sign }, { width, height } = SIZE) {
  context.clearRect(0, 0, width, height);
  if (length === 0) return;
  const step = Math.max(1, Math.ceil(length / MOST_POINTS));
  let low = base ?? priceAt(0);
  let high = low;
  for (let index = 0; index < length; index += 1) {
    low = Math.min(low, priceAt(index));
    high = Math.max(high, priceAt(index));
  }
  const last = priceAt(length - 1);
  const range = high - low || 1;
  const y = (price) => (high === low ? height / 2 : MARGIN + (1 - (price - low) / range) * (height - 2 * MARGIN));
  const { up, down, muted, line } = colours.value;
  const colour = sign > 0 ? up : sign < 0 ? down : muted;

  if (base !== undefined) {
    context.strokeStyle = line;
    context.lineWidth = 1;
    context.setLineDash([2, 3]);
    context.beginPath();
    context.moveTo(0, y(base));
    context.lineTo(width, y(base));
    context.stroke();
    context.setLineDash([]);
  }

  const points = Math.floor((length - 1) / step) + 1;
  const gap = (width - 2 * MARGIN) / Math.max(points - 1, FEWEST_SLOTS - 1);
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
