// The headings of the board: a click sorts, dragging one moves its column, and so do Alt and the arrow keys.

import { html } from "../base/html.js";
import { announce } from "../session/notices.js";
import { sort } from "../session/state.js";
import { moveColumn } from "./choice.js";
import { openColumns } from "./chooser-opener.js";
import { sortAfterClick } from "./columns.js";
import { beginDrag } from "./head-drag.js";
import { headWords } from "./layout.js";

/** The headings of these columns, in a form of the board (layout.js). */
export function Heads({ columns, form }) {
  return html`<tr role="row">${columns.map((column) => html`<${Head} key=${column.key} column=${column} columns=${columns} form=${form} />`)}</tr>`;
}

function Head({ column, columns, form }) {
  const { key, label, isNumber } = column;
  const words = headWords(column, form);
  const own = `c-${key}${isNumber ? " number" : ""}`;
  if (key === "remove") {
    return html`
      <th role="columnheader" scope="col" class=${own}>
        <button type="button" class="quiet" aria-label="Choose columns" title="Choose columns" onClick=${openColumns}>
          <svg viewBox="0 0 16 16" aria-hidden="true"><path d="M2.500 3h11v10h-11zM6.200 3v10M9.800 3v10" /></svg>
        </button>
      </th>`;
  }
  const move = (before) => {
    moveColumn(key, before);
    announce(before === null ? `${label} stands last now.` : `${label} stands before ${columns.find((each) => each.key === before).label} now.`);
    // An element that is moved in the document loses the focus.
    setTimeout(() => document.querySelector(`thead .c-${key} button`)?.focus());
  };
  const drag = key === "symbol" ? undefined : (event) => beginDrag(event, key, move);
  if (!column.of) return html`<th role="columnheader" scope="col" class=${own} onPointerDown=${drag}>${words}</th>`;
  const { key: sortedKey, isDescending } = sort.value;
  const isSorted = sortedKey === key;
  const click = () => {
    sort.value = sortAfterClick(sort.value, column);
  };
  const onKeyDown = (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!event.altKey || step === undefined || key === "symbol") return;
    event.preventDefault(); // else it is the browser's way back
    const before = beforeAfterStep(columns.map((each) => each.key), key, step);
    if (before !== undefined) move(before);
  };
  return html`
    <th role="columnheader" scope="col" class=${own} onPointerDown=${drag} aria-sort=${isSorted ? (isDescending ? "descending" : "ascending") : "none"}>
      <button type="button" onClick=${click} onKeyDown=${onKeyDown} data-sort=${key} title=${words === label ? undefined : label}>${words}<span class="sort-arrow" aria-hidden="true">${isSorted ? (isDescending ? "↓" : "↑") : ""}</span></button>
    </th>`;
}

/** Before which column `key` stands after a step to the left (-1) or right; null for the end, undefined where it can go no further. */
function beforeAfterStep(keys, key, step) {
  const movable = keys.filter((each) => each !== "symbol" && each !== "remove");
  const place = movable.indexOf(key);
  if (step < 0) return movable[place - 1];
  return place === movable.length - 1 ? undefined : (movable[place + 2] ?? null);
}
