// A table of the administrator's: filtered, sorted, drawn a hundred rows at a time, and the keyboard stays where it was.

import { html, useLayoutEffect, useMemo, useState } from "../base/html.js";
import { counted, nextSort } from "./admin-words.js";

/** So many rows are drawn before somebody asks for more. */
const ROWS_AT_ONCE = 100;

/**
 * `columns` are [[key, heading, kind]] ("number" stands at the right); `Row` draws a `row`, with `besides` as its other
 * properties; `keyOf(row)` names it; `noun` is [one, many]; `shown(rows, text, sort)` filters and sorts.
 */
export function AdminTable({ name, rows, columns, first, keyOf, shown, noun, label, Row, besides }) {
  const [text, setText] = useState("");
  const [sort, setSort] = useState(first);
  const [most, setMost] = useState(ROWS_AT_ONCE);
  const found = useMemo(() => shown(rows, text, sort), [rows, text, sort]);
  const drawn = found.slice(0, most);
  keepFocus();
  return html`
    <div class="view-row table-tools">
      <label class="inline">Filter <input type="search" id=${`${name}-filter`} value=${text} autocomplete="off" placeholder=${label.filter}
        onInput=${(event) => { setText(event.target.value); setMost(ROWS_AT_ONCE); }} onKeyDown=${(event) => { if (event.key === "Escape" && text) { setText(""); event.preventDefault(); } }} /></label>
      <span class="quiet-note" role="status">${text ? `${found.length.toLocaleString()} of ${counted(rows.length, ...noun)}` : counted(rows.length, ...noun)}</span>
      <label class="inline narrow-only">Sort <select value=${`${sort.key} ${sort.isDescending}`} onChange=${(event) => { const [key, isDescending] = event.target.value.split(" "); setSort({ key, isDescending: isDescending === "true" }); }}>
        ${columns.flatMap(([key, heading]) => [[`${key} false`, heading], [`${key} true`, `${heading}, the other way`]]).map(([value, words]) => html`<option key=${value} value=${value}>${words}</option>`)}
      </select></label>
    </div>
    <div class="table-frame">
      <table role="table" aria-label=${label.table} class=${`admin-table ${name}`}>
        <thead role="rowgroup"><tr role="row">
          ${columns.map(([key, heading, kind]) => html`
            <th key=${key} role="columnheader" scope="col" class=${kind ?? ""} aria-sort=${sort.key === key ? (sort.isDescending ? "descending" : "ascending") : undefined}>
              <button type="button" data-stays=${`sort ${key}`} onClick=${() => setSort(nextSort(sort, key))}>${heading}<span class="sort-mark" aria-hidden="true">${markOf(sort, key)}</span></button>
            </th>`)}
          <th role="columnheader" scope="col" class="acts"><span class="unseen">Actions</span></th>
        </tr></thead>
        <tbody role="rowgroup">${drawn.map((row) => html`<${Row} key=${keyOf(row)} row=${row} ...${besides} />`)}</tbody>
      </table>
    </div>
    ${rows.length > 0 && found.length === 0 && html`<p class="quiet-note view-note">Nothing has “${text}” in it.</p>`}
    ${found.length > drawn.length && html`
      <p class="more-rows">
        <button type="button" class="plain" onClick=${() => setMost(most + ROWS_AT_ONCE)}>Show ${Math.min(ROWS_AT_ONCE, found.length - drawn.length)} more</button>
        <span class="quiet-note">${(found.length - drawn.length).toLocaleString()} are not shown.</span>
      </p>`}`;
}

function markOf(sort, key) {
  if (sort.key !== key) return "";
  return sort.isDescending ? "▾" : "▴";
}

/** Where a row moves with its new place in the order, the browser takes the keyboard away from it: give it back. */
function keepFocus() {
  const held = document.activeElement?.dataset?.stays;
  useLayoutEffect(() => {
    if (held === undefined || document.activeElement?.dataset?.stays === held) return;
    document.querySelector(`[data-stays="${CSS.escape(held)}"]`)?.focus({ preventScroll: true });
  });
}

/** A cell with its heading, which is seen where a row is drawn as a card. */
export function Cell({ label, kind, title, children }) {
  return html`<td role="cell" class=${kind ?? ""} title=${title}><span class="label">${label}</span><span class="said" dir="auto">${children}</span></td>`;
}
