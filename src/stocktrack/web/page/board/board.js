// The board: the user's stocks as a table that can be sorted and filtered, below the tabs of the lists.

import { isSortLive, sorted, symbolAt } from "./columns.js";
import { computed, effect, html, signal, useEffect, useLayoutEffect, useRef } from "../base/html.js";
import { everySecond } from "../base/painter.js";
import { Chooser, closeColumns } from "./chooser-opener.js";
import { filterText, isFiltering, matching } from "./filter.js";
import { FilterField } from "./filter-field.js";
import { Heads } from "./heads.js";
import { renewHeld } from "./held-reader.js";
import { layOut, shown } from "./layout.js";
import { Lists } from "./lists.js";
import { printNoteId } from "./paper.js";
import { isOrdering } from "./reorder.js";
import { Row } from "./row.js";
import { EmptyList } from "./starters.js";
import { Tools } from "./tools.js";
import { readShown } from "../session/lists.js";
import { current, isLoaded, isOnline, lists, sort, stocks, unread } from "../session/state.js";

// Rows that change places all the time cannot be read or clicked.
const SORT_EVERY_SECONDS = 2;

const resort = signal(0);
const body = { element: null };
let seconds = 0;
everySecond(() => {
  seconds += 1;
  // Not under the pointer of somebody who is about to click.
  if (isSortLive(sort.value) && seconds % SORT_EVERY_SECONDS === 0 && !body.element?.matches(":hover")) resort.value += 1;
});

let before = [];
/** All stocks in their order, also those that the filter hides; the same array while the order is the same. */
const all = computed(() => {
  // Read, so that a change of it sorts anew: prices are no signals.
  void resort.value;
  const now = sorted(stocks.value.values(), sort.value);
  if (now.length !== before.length || now.some((stock, place) => stock !== before[place])) before = now;
  return before;
});

/** The stocks whose rows are shown, in the order in which they stand. */
export const order = computed(() => {
  const symbols = matching.value;
  return symbols === null ? all.value : all.value.filter((stock) => symbols.has(stock.symbol));
});

/** The one row that the tab key stops at. */
const tabStop = computed(() => (order.value.some((stock) => stock.symbol === current.value) ? current.value : (order.value[0]?.symbol ?? null)));

effect(() => {
  if (current.value !== null && !stocks.value.has(current.value)) current.value = null;
});

/** Put the keyboard on the row `step` rows from where it is; from elsewhere on the page, on the row that had it last. */
export function moveFocus(step) {
  const own = document.activeElement?.closest?.("tr[data-symbol]")?.dataset.symbol;
  const symbols = order.value.map((stock) => stock.symbol);
  const symbol = symbolAt(symbols, own ?? tabStop.value, own === undefined ? 0 : step);
  if (symbol !== null) focusRow(symbol);
}

/** Put the keyboard on the row of `symbol`. */
export function focusRow(symbol) {
  current.value = symbol;
  document.querySelector(`[data-pick="${CSS.escape(symbol)}"]`)?.focus();
}

export function Board() {
  const rows = all.value;
  const layout = shown.value;
  const section = useRef(null);
  const table = useRef(null);
  const hadFocus = useRef(null);
  hadFocus.current = document.activeElement?.dataset?.pick ?? null;

  useLayoutEffect(() => {
    renewHeld();
    layOut(table.current, section.current.clientWidth);
    const observer = new ResizeObserver(() => layOut(table.current, section.current.clientWidth));
    observer.observe(section.current);
    return () => {
      observer.disconnect();
      layOut(null);
    };
  }, []);
  const hasRows = rows.length > 0;
  // Before the first rows are drawn, and with the panel beside them where there is one.
  useLayoutEffect(() => layOut(table.current, section.current.clientWidth), [hasRows]);
  useEffect(() => {
    body.element = table.current.tBodies[0];
  });
  useLayoutEffect(() => {
    // An element that is moved in the document loses the focus.
    const symbol = hadFocus.current;
    if (symbol && document.activeElement === document.body && stocks.value.has(symbol)) {
      document.querySelector(`[data-pick="${CSS.escape(symbol)}"]`)?.focus({ preventScroll: true });
    }
  });

  const hasColumns = layout.columns.length > 0;
  const isNothingLeft = rows.length > 0 && order.value.length === 0;
  // Rows have the cells of their columns, and are made anew for others.
  const kind = [layout.form, ...layout.columns.map((column) => column.key), ...layout.under.map((column) => column.key)].join(" ");
  return html`
    <section class=${isOrdering.value ? "board ordering" : "board"} data-order=${sort.value.key === null ? "saved" : "sorted"} aria-labelledby="board-title" ref=${section}>
      <h1 id="board-title" class="unseen">Your stocks</h1>
      <div class="board-top">
        ${lists.value.length > 0 && html`<${Lists} />`}
        ${rows.length > 0 && html`<${Tools} rowsNow=${() => order.value} />`}
      </div>
      <p class="print-note" id=${printNoteId}></p>
      ${isFiltering.value && rows.length > 0 && html`<${FilterField} leave=${() => moveFocus(0)} />`}
      <table role="table" aria-label="Your stocks. Prices change without being read aloud." class=${rows.length ? layout.form : "unseen"} ref=${table}>
        <thead role="rowgroup"><${Heads} columns=${layout.columns} form=${layout.form} /></thead>
        <tbody role="rowgroup" key=${kind}>
          ${hasColumns && rows.map((stock) => html`<${Row} key=${stock.symbol} stock=${stock} tabStop=${tabStop} layout=${layout} />`)}
        </tbody>
      </table>
      ${isNothingLeft && html`<div class="nothing"><p>No stock here has “${filterText.value.trim()}” in its symbol or its name.</p></div>`}
      ${rows.length === 0 && isLoaded.value && html`
        <${EmptyList} />`}
      ${rows.length === 0 && !isLoaded.value && (unread.value === null
        ? html`<div class="nothing"><p>Loading …</p></div>`
        : html`
          <div class="nothing" data-unread>
            <h2>This list cannot be read now</h2>
            <p>${unread.value}</p>
            ${isOnline.value && html`<button type="button" class="primary" onClick=${readShown}>Try again</button>`}
          </div>`)}
      ${Chooser.value && html`<${Chooser.value} close=${closeColumns} />`}
    </section>
  `;
}
