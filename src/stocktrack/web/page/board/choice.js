// Which columns the person wants, in which order, and how close the rows stand; kept in this browser.

import { effect, signal } from "../base/html.js";
import { recall, remember } from "../base/keeping.js";
import { COLUMN, COLUMNS } from "./columns.js";

const KEY = "stocktrack.columns";
const DENSITIES = ["compact", "comfortable"];
const MOVABLE = COLUMNS.map((column) => column.key).filter((key) => key !== "symbol" && key !== "remove");
// Nobody chose anything: columns come by their rank, and rows are close unless fingers have to meet them.
const NOTHING_CHOSEN = { order: MOVABLE, pinned: [], hidden: [], density: null };

/**
 * {order, pinned, hidden, density}: the keys of all columns that can be moved, in their order; of those that are wanted
 * before all others, and of those that are not wanted at all; "compact" or "comfortable", or null for what suits the screen.
 */
export const choice = signal(choiceIn(recall(KEY)));

effect(() => remember(KEY, isDefault(choice.value) ? null : JSON.stringify(choice.value)));

/** The choice that a kept text says; what it does not say, or cannot, is as nobody chose. */
export function choiceIn(text) {
  let kept;
  try {
    kept = JSON.parse(text);
  } catch {
    return NOTHING_CHOSEN;
  }
  if (kept === null || typeof kept !== "object") return NOTHING_CHOSEN;
  const keys = (name) => [...new Set(Array.isArray(kept[name]) ? kept[name] : [])].filter((key) => MOVABLE.includes(key));
  const order = keys("order");
  // A column that is new since: behind the one that it stands behind by itself.
  for (const [place, key] of MOVABLE.entries()) {
    if (!order.includes(key)) order.splice(order.indexOf(MOVABLE[place - 1]) + 1, 0, key);
  }
  const hidden = keys("hidden").filter((key) => COLUMN.get(key).rank !== 0);
  return {
    order,
    pinned: keys("pinned").filter((key) => !hidden.includes(key)),
    hidden,
    density: DENSITIES.includes(kept.density) ? kept.density : null,
  };
}

/** `order` with `key` right before `before`, or at its end where that is null. */
export function moved(order, key, before) {
  if (key === before) return order;
  const others = order.filter((each) => each !== key);
  const place = before === null ? others.length : others.indexOf(before);
  return [...others.slice(0, place), key, ...others.slice(place)];
}

/** Want a column, before all that nobody chose; or want it no more. */
export function wantColumn(key, isWanted) {
  const { pinned, hidden } = choice.value;
  const without = (keys) => keys.filter((each) => each !== key);
  choice.value = {
    ...choice.value,
    pinned: isWanted ? [...without(pinned), key] : without(pinned),
    hidden: isWanted ? without(hidden) : [...without(hidden), key],
  };
}

/** Have a column stand right before another one, or last where that is null. */
export function moveColumn(key, before) {
  choice.value = { ...choice.value, order: moved(choice.value.order, key, before) };
}

/** How close the rows stand. */
export function chooseDensity(density) {
  choice.value = { ...choice.value, density };
}

/** As if nobody had chosen anything. */
export function resetChoice() {
  choice.value = NOTHING_CHOSEN;
}

function isDefault({ order, pinned, hidden, density }) {
  return pinned.length === 0 && hidden.length === 0 && density === null && order.every((key, place) => key === MOVABLE[place]);
}
