// What the board looks like now: in which form it stands, which columns have room, and how wide they are. Widths are one
// CSS variable of the table, because each row is a grid of its own.

import { effect, signal } from "../base/html.js";
import { everySeconds } from "../base/painter.js";
import { stocks } from "../session/state.js";
import { CELLS, cellWidth } from "./cells.js";
import { choice } from "./choice.js";
import { COLUMN } from "./columns.js";
import { fitted } from "./fitting.js";
import { forgetTexts, noteText, onGrowth, SYMBOL_WEIGHT, textWidth, useFont, widthOf } from "./measure.js";

// Below this width each stock takes two lines.
const NARROW_PX = 640;
// A sheet of paper has room for as much as this.
const PAPER_PX = 980;
const REMOVE_PX = 30;
const NARROW_REMOVE_PX = 26;
const SORT_ARROW_PX = 14;
const HEAD_FONT_PX = 12;
// On a telephone a symbol breaks into lines of this width where prices need the rest; of a wider one it has this part.
const LEAST_SYMBOL_PX = 64;
const LEAST_SYMBOL_PART = 0.25;
// From this width on a name is worth more than columns that nobody chose.
const WIDE_PX = 1_200;
const LEAST_WIDE_NAME_PX = 200;
// On a telephone what has a higher rank is in the panel.
const MOST_NARROW_RANK = 8;
// A symbol of more lines needs a higher row.
const MOST_SYMBOL_LINES = 3;
// Of the reason why a price is stale.
const LEAST_WHY_PX = 48;
const STOCKS_TRIED = 60;
const LOOK_EVERY_SECONDS = 5;
const FORGET_EVERY_SECONDS = 60;
// What these show stands in the second line of a narrow board.
const UNDER = ["name", "extended", "age"];

/**
 * By its name: the size of the text, what is free at both sides of a cell, what the rows have at their two ends, and the
 * size of the small line, in px.
 */
const FORMS = {
  compact: { font: 13, pad: 7, edges: [12, 8], line: { width: 88, height: 20 } },
  comfortable: { font: 14, pad: 8, edges: [12, 8], line: { width: 112, height: 32 } },
  narrow: { font: 13, pad: 4, edges: [10, 4], line: { width: 56, height: 28 } },
};

const isTouched = matchMedia("(pointer: coarse)");

/** {form, columns, under, line}: the columns that have room, in their order, and what stands below them. A new one when it changes. */
export const shown = signal({ form: "compact", columns: [], under: [], line: FORMS.compact.line });

const place = { table: null, width: 0, isPaper: false };
// Columns that some row has something for: others take no room unless they are wanted.
const fillable = new Set();
let isAsked = false;
let symbolRoom = Infinity;

/** Lay out this table from now on, which is `width` px wide; null when there is none any more. */
export function layOut(table, width = 0) {
  place.table = table;
  place.width = width;
  if (shown.value.columns.length === 0) noteAll();
  if (table) relayout();
}

/** Lay the table out as on paper, or as on the screen again; at once, because the browser does not wait. */
export function layOutOnPaper(isPaper) {
  place.isPaper = isPaper;
  relayout();
}

function relayout() {
  isAsked = false;
  const { table } = place;
  // Nothing is drawn before there are stocks: their texts say what has room.
  if (!table || place.width === 0 || stocks.value.size === 0) return;
  const room = place.isPaper ? PAPER_PX : place.width;
  const form = formOf(room);
  const { font, pad, edges, line } = FORMS[form];
  if (useFont(font, getComputedStyle(table).fontFamily)) noteAll();
  const { order, pinned, hidden } = choice.value;
  const isNarrow = form === "narrow";
  const isOffered = (key) => isFillable(key) && !(isNarrow && COLUMN.get(key).rank > MOST_NARROW_RANK);
  const wanted = ["symbol", ...order.filter((key) => !hidden.includes(key)), "remove"].filter((key) => pinned.includes(key) || isOffered(key));
  const under = isNarrow ? wanted.filter((key) => UNDER.includes(key)) : [];
  const inner = room - edges[0] - edges[1];
  const candidates = wanted.filter((key) => !under.includes(key)).map((key) => candidate(key, { form, pad, line, pinned, inner }));
  const { keys, widths } = fitted(candidates, inner);
  table.classList.toggle("is-tight", under.includes("extended") && !makeRoomUnder(widths, pad));
  // Below the price, where it has no column.
  if (isNarrow && wanted.includes("currency") && !keys.includes("currency")) under.push("currency");

  table.style.setProperty("--columns", keys.map((key) => `${widths.get(key).toFixed(2)}px`).join(" "));
  table.style.setProperty("--price-column", String(keys.indexOf("price") + 1));
  table.style.setProperty("--cell-font", `${font}px`);
  table.style.setProperty("--cell-pad", `${pad}px`);
  table.style.setProperty("--row-edges", `0 ${edges[1]}px 0 ${edges[0]}px`);
  symbolRoom = isNarrow ? widths.get("symbol") - 2 * pad : Infinity;
  for (const row of table.querySelectorAll("tbody tr")) showLines(row);
  const before = shown.value;
  const name = (columns) => columns.map((column) => column.key ?? column).join(" ");
  if (before.form !== form || name(before.columns) !== name(keys) || name(before.under) !== name(under)) {
    shown.value = { form, columns: keys.map((key) => COLUMN.get(key)), under: under.map((key) => COLUMN.get(key)), line };
  }
}

/** What stands in the heading of a column in a form of the board. */
export function headWords({ label, short = label, shortest = short }, form) {
  return form === "narrow" ? shortest : short;
}

/** Have a row stand as its symbol needs it: one of more than a line takes that of its name, and of many a higher row. */
export function showLines(row) {
  const lines = symbolRoom === Infinity ? 1 : textWidth(row.dataset.symbol, SYMBOL_WEIGHT) / symbolRoom;
  row.classList.toggle("wraps", lines > 1);
  row.classList.toggle("wraps-far", lines > MOST_SYMBOL_LINES);
}

function formOf(room) {
  if (place.isPaper) return "compact";
  if (room < NARROW_PX) return "narrow";
  return choice.value.density ?? (isTouched.matches ? "comfortable" : "compact");
}

function isFillable(key) {
  const { of: valueOf, rank, isOptional } = COLUMN.get(key);
  if (rank === undefined) return false;
  if (!isOptional || fillable.has(key)) return true;
  for (const stock of stocks.value.values()) {
    if (valueOf(stock) === undefined) continue;
    fillable.add(key);
    return true;
  }
  return false;
}

function candidate(key, { form, pad, line, pinned, inner }) {
  const { rank, of: valueOf } = COLUMN.get(key);
  if (key === "remove") return { key, rank: 0, least: form === "narrow" ? NARROW_REMOVE_PX : REMOVE_PX };
  const head = textWidth(headWords(COLUMN.get(key), form), 500, HEAD_FONT_PX) + (valueOf ? SORT_ARROW_PX : 0);
  const text = key === "trend" ? line.width : cellWidth(key, widthOf, textWidth, form);
  const whole = Math.ceil(Math.max(head, Math.min(text, CELLS[key].most ?? Infinity)) + 2 * pad);
  const isPinned = pinned.includes(key);
  const own = { key, rank: rank === 0 ? 0 : isPinned ? 0.5 + pinned.indexOf(key) / 100 : rank, least: whole };
  if (key === "symbol" && form === "narrow") return { ...own, least: Math.min(whole, Math.max(LEAST_SYMBOL_PX + 2 * pad, inner * LEAST_SYMBOL_PART)), most: whole };
  // Why a price is stale may be cut: the bar above the board says it as well.
  if (key === "age" && form === "compact") {
    const short = Math.ceil(Math.max(head, cellWidth("age", (part) => Math.min(widthOf(part), part === "why" ? LEAST_WHY_PX : Infinity), textWidth, form)) + 2 * pad);
    return { ...own, least: Math.min(whole, short), most: whole };
  }
  if (key === "name") return { ...own, least: Math.min(whole, inner < WIDE_PX ? CELLS.name.least : LEAST_WIDE_NAME_PX), most: whole };
  return own;
}

/** A price outside the hours stands below the figures of a narrow row, and may be wider than they are; whether it all fits. */
function makeRoomUnder(widths, pad) {
  const needed = Math.ceil(cellWidth("extended", widthOf, textWidth, "narrow")) + 2 * pad;
  let there = 0;
  for (const [key, width] of widths) if (key !== "symbol" && key !== "remove") there += width;
  const more = Math.min(needed - there, widths.get("symbol") - LEAST_SYMBOL_PX);
  if (more > 0) {
    widths.set("symbol", widths.get("symbol") - more);
    widths.set("price", widths.get("price") + more);
  }
  return there + Math.max(0, more) >= needed;
}

/** Lay out before the next frame, however often this is asked until then. */
function ask() {
  if (isAsked) return;
  isAsked = true;
  requestAnimationFrame(relayout);
}

/** Note the texts of all rows anew; of the columns that no row has, those that the first stocks would have in them. */
function noteAll() {
  forgetTexts();
  fillable.clear();
  for (const symbol of stocks.value.keys()) noteText("symbol", symbol);
  for (const row of place.table?.querySelectorAll("tbody tr") ?? []) row.view?.noteTexts();
  for (const stock of [...stocks.value.values()].slice(0, STOCKS_TRIED)) tryTexts(stock);
}

function tryTexts(stock) {
  if (!stock.quote) return;
  const nowhere = { dataset: {} };
  for (const { write } of Object.values(CELLS)) write?.(noteText, stock, nowhere);
}

onGrowth(ask);
isTouched.addEventListener("change", ask);

effect(() => {
  // Read, so that a change of it is seen: other stocks have other widths, and another choice other columns.
  void stocks.value;
  void choice.value;
  requestAnimationFrame(() => {
    noteAll();
    relayout();
  });
});

everySeconds(LOOK_EVERY_SECONDS, () => {
  const before = fillable.size;
  for (const key of choice.value.order) isFillable(key);
  if (fillable.size !== before) ask();
});
// What has become narrower gives its room back, and not at each price.
everySeconds(FORGET_EVERY_SECONDS, () => {
  noteAll();
  relayout();
});
