// Moving stocks to another place of their list: by the grip at the left edge of a row, or with Alt and the arrow keys.
//
// It listens to the whole document, so that the rows have nothing to do with it.

import { drawWhileDragging, dropMark, followPointer, scrollSpeed } from "./dragging.js";
import { effect, signal } from "../base/html.js";
import { announce, notify } from "../session/notices.js";
import { putInOrder } from "../session/shown-list.js";
import { phase, sort, stocks, view } from "../session/state.js";

/** Whether all rows show their grips, as a finger needs them: a mouse sees that of the row it is over. */
export const isOrdering = signal(false);

// How much of a row's left edge is its grip.
const GRIP_PX = { mouse: 18, pen: 24, touch: 40 };

/** `symbols` with `symbol` before `target`, or behind it. */
export function movedTo(symbols, symbol, target, isBehind) {
  if (symbol === target || !symbols.includes(symbol) || !symbols.includes(target)) return symbols;
  const others = symbols.filter((each) => each !== symbol);
  const place = others.indexOf(target) + (isBehind ? 1 : 0);
  return [...others.slice(0, place), symbol, ...others.slice(place)];
}

/** `symbols` with `symbol` moved `step` rows among those that are `shown`; a filter may hide the others. */
export function movedBy(symbols, shown, symbol, step) {
  const target = shown[shown.indexOf(symbol) + step];
  return target === undefined ? symbols : movedTo(symbols, symbol, target, step > 0);
}

function rowsShown() {
  return [...document.querySelectorAll("tbody tr[data-symbol]")].filter((row) => !row.hidden);
}

function symbolsShown() {
  return rowsShown().map((row) => row.dataset.symbol);
}

/** Save an order in which `symbol` has another place, and say which. */
function save(symbols, symbol) {
  const place = symbols.indexOf(symbol);
  if (place < 0 || place === [...stocks.value.keys()].indexOf(symbol)) return;
  putInOrder(symbols);
  announce(`${symbol}: place ${place + 1} of ${symbols.length}.`);
}

/** Whether rows can be moved; where the board is sorted, the person may keep what it shows as the list's own order. */
function canMove() {
  if (sort.value.key === null) return true;
  const keep = () => {
    putInOrder([...document.querySelectorAll("tbody tr[data-symbol]")].map((row) => row.dataset.symbol));
    sort.value = { key: null, isDescending: false };
    announce("The list is in this order now.");
  };
  notify("The board is sorted by a column, so stocks cannot be moved by hand.", { action: { label: "Keep this order", run: keep } });
  return false;
}

// --- with the pointer ---

function pressed(event) {
  if (event.button !== 0 || !event.isPrimary) return;
  const row = gripped(event.target, event.clientX, event.pointerType);
  if (row) drag(row, event);
}

/** The row whose grip is at `x`, or null. */
function gripped(element, x, pointerType) {
  const row = element.closest?.("tbody tr[data-symbol]");
  if (!row || (pointerType === "touch" && !isOrdering.value)) return null;
  const reach = x - row.getBoundingClientRect().left;
  return reach >= 0 && reach <= (GRIP_PX[pointerType] ?? GRIP_PX.mouse) ? row : null;
}

function touched(event) {
  if (event.cancelable && gripped(event.target, event.touches[0].clientX, "touch")) event.preventDefault();
}

function drag(row, press) {
  const { symbol } = row.dataset;
  const scroller = scrollerOf(row);
  let at = { x: press.clientX, y: press.clientY, dy: 0 };
  let scrolledFrom = 0;
  const mark = dropMark();

  const draw = () => {
    row.style.translate = `0 ${at.dy + scroller.scrollTop - scrolledFrom}px`;
    const over = rowAt(row, at.y);
    if (over && over !== row) {
      const { top, height } = over.getBoundingClientRect();
      mark.put(over, at.y > top + height / 2);
    } else mark.put(null, false);
  };
  let drawing = null;
  const letGo = () => {
    drawing.end();
    mark.put(null, false);
    row.classList.remove("dragged");
    row.style.translate = "";
    document.documentElement.classList.remove("dragging");
  };
  followPointer(press, {
    begin: () => {
      if (!canMove()) return false;
      scrolledFrom = scroller.scrollTop;
      drawing = drawWhileDragging({ scroller, property: "scrollTop", speed: () => scrollSpeed(at.y, boundsOf(scroller)), draw });
      row.classList.add("dragged");
      document.documentElement.classList.add("dragging");
      return true;
    },
    move: (to) => {
      at = to;
      drawing.ask();
    },
    drop: () => {
      // What the last movement led to may not have been drawn yet.
      drawing.now();
      const [over, behind] = [mark.over?.dataset.symbol, mark.isBehind];
      letGo();
      if (over) save(movedTo([...stocks.value.keys()], symbol, over, behind), symbol);
    },
    giveUp: () => {
      letGo();
      announce(`${symbol} stays where it was.`);
    },
  });
}

/** The row at a height on the screen; beyond the ends of the table it is the first or the last one. */
function rowAt(row, y) {
  const rows = [...row.parentElement.rows].filter((each) => !each.hidden);
  const [first, last] = [rows[0], rows.at(-1)];
  if (y < first.getBoundingClientRect().top) return first;
  if (y > last.getBoundingClientRect().bottom) return last;
  const { left, width } = row.parentElement.getBoundingClientRect();
  const found = document.elementsFromPoint(left + width / 2, y).map((element) => element.closest("tbody tr[data-symbol]"));
  return found.find((each) => each && each !== row) ?? null;
}

function scrollerOf(element) {
  for (let each = element.parentElement; each; each = each.parentElement) {
    if (each.scrollHeight > each.clientHeight && /auto|scroll/.test(getComputedStyle(each).overflowY)) return each;
  }
  return document.scrollingElement;
}

function boundsOf(scroller) {
  if (scroller === document.scrollingElement) return { start: 0, end: innerHeight };
  const { top, bottom } = scroller.getBoundingClientRect();
  return { start: Math.max(0, top), end: Math.min(innerHeight, bottom) };
}

// --- with the keyboard ---

function keyed(event) {
  if (!event.altKey || event.ctrlKey || event.metaKey || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
  const symbol = event.target.closest?.("tr[data-symbol]")?.dataset.symbol;
  if (symbol === undefined || phase.value !== "board" || view.value !== "board") return;
  event.preventDefault();
  if (!canMove()) return;
  const symbols = [...stocks.value.keys()];
  const step = event.key === "ArrowDown" ? 1 : -1;
  save(movedBy(symbols, symbolsShown(), symbol, step), symbol);
  requestAnimationFrame(() => requestAnimationFrame(() => document.activeElement?.closest?.("tr")?.scrollIntoView({ block: "nearest" })));
}

document.addEventListener("pointerdown", pressed);
document.addEventListener("mousedown", (event) => {
  // No text is marked on the way.
  if (event.button === 0 && gripped(event.target, event.clientX, "mouse")) event.preventDefault();
});
document.addEventListener("keydown", keyed);
// A finger on a grip moves the row, and does not scroll the page. Only then: who listens to every touch delays scrolling.
effect(() => {
  if (isOrdering.value) document.addEventListener("touchstart", touched, { passive: false });
  else document.removeEventListener("touchstart", touched);
});
// To hold a finger on a row shows the grips.
document.addEventListener("contextmenu", (event) => {
  if (event.pointerType !== "touch" || isOrdering.value || !event.target.closest?.("tbody tr[data-symbol]")) return;
  event.preventDefault();
  isOrdering.value = true;
  announce("Drag stocks by the grip at their left. Done ends it.");
});
