// How wide the widest text of each part of a row is. A text is measured when it is longer than all before it, off the
// page: no price makes the browser lay anything out.

export const SYMBOL_WEIGHT = 650;
const WEIGHTS = { symbol: SYMBOL_WEIGHT, price: 600 };
// For screen readers: no cell is as wide as they are.
const UNSEEN = new Set(["trend_said", "session_said"]);
const MOST_SHAPES = 2_000;

/** How many signs the longest text of each part has. Views look here before they tell of a text (noteText). */
export const longest = {};

const widest = new Map();
const shapes = new Map();
let font = { size: 13, family: "sans-serif" };
let context = null;
let changed = () => {};

/** Have `action` called when a part has grown. */
export function onGrowth(action) {
  changed = action;
}

/** Measure in another font from now on: its size in px, its family as CSS writes it. */
export function useFont(size, family) {
  if (size === font.size && family === font.family) return false;
  font = { size, family };
  shapes.clear();
  return true;
}

/** Forget what was noted, because other rows, or another font, begin. */
export function forgetTexts() {
  for (const part of Object.keys(longest)) delete longest[part];
  widest.clear();
}

/** Take note of a text of a part. */
export function noteText(part, text) {
  if (UNSEEN.has(part)) {
    longest[part] = Infinity;
    return;
  }
  longest[part] = Math.max(longest[part] ?? 0, text.length);
  const width = textWidth(text, WEIGHTS[part]);
  if (width <= (widest.get(part) ?? 0)) return;
  widest.set(part, width);
  changed();
}

/** The width of the widest text of a part in px; 0 where there is none. */
export function widthOf(part) {
  return widest.get(part) ?? 0;
}

/** The width of a text in px. */
export function textWidth(text, weight = 400, size = font.size) {
  // All digits are as wide as a nought (base.css), so that a few shapes stand for all prices.
  const shape = text.replace(/\d/g, "0");
  const key = `${weight} ${size} ${shape}`;
  let width = shapes.get(key);
  if (width === undefined) {
    if (shapes.size >= MOST_SHAPES) shapes.clear();
    context ??= document.createElement("canvas").getContext("2d");
    context.font = `${weight} ${size}px ${font.family}`;
    width = context.measureText(shape).width;
    shapes.set(key, width);
  }
  return width;
}
