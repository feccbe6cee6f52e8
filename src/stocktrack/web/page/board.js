// The board: the user's stocks as a table that can be sorted, and the tabs of the lists where there are several.

import { COLUMNS, isSortLive, sorted, sortAfterClick, symbolAt } from "./columns.js";
import { computed, effect, html, signal, useEffect, useLayoutEffect, useRef, useState } from "./html.js";
import { everySecond } from "./painter.js";
import { Row } from "./row.js";
import { showList } from "./session.js";
import { current, isLoaded, list, lists, sort, stocks } from "./state.js";

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

/** The stocks in the order in which they stand. */
export const order = computed(() => {
  // Read, so that a change of it sorts anew: prices are no signals.
  void resort.value;
  return sorted(stocks.value.values(), sort.value);
});

const firstSymbol = computed(() => order.value[0]?.symbol ?? null);

effect(() => {
  if (current.value !== null && !stocks.value.has(current.value)) current.value = null;
});

/** Put the keyboard on the row `step` rows from where it is; from elsewhere on the page, on the row that had it last. */
export function moveFocus(step) {
  const isOnBoard = Boolean(document.activeElement?.closest?.("tr[data-symbol]"));
  const symbols = order.value.map((stock) => stock.symbol);
  const symbol = symbolAt(symbols, current.value, isOnBoard ? step : 0);
  if (symbol !== null) focusRow(symbol);
}

/** Put the keyboard on the row of `symbol`. */
export function focusRow(symbol) {
  current.value = symbol;
  document.querySelector(`[data-pick="${CSS.escape(symbol)}"]`)?.focus();
}

export function Board() {
  const rows = order.value;
  const tbody = useRef(null);
  const hadFocus = useRef(null);
  hadFocus.current = document.activeElement?.dataset?.pick ?? null;

  useEffect(() => {
    body.element = tbody.current;
  });
  useLayoutEffect(() => {
    // An element that is moved in the document loses the focus.
    const symbol = hadFocus.current;
    if (symbol && document.activeElement === document.body && stocks.value.has(symbol)) {
      document.querySelector(`[data-pick="${CSS.escape(symbol)}"]`)?.focus({ preventScroll: true });
    }
  });

  return html`
    <section class="board" aria-labelledby="board-title">
      <h1 id="board-title" class="unseen">Your stocks</h1>
      ${lists.value.length > 0 && html`<${Lists} />`}
      <table role="table" aria-label="Your stocks. Prices change without being read aloud." class=${rows.length ? "" : "unseen"}>
        <thead role="rowgroup">
          <tr role="row">
            ${COLUMNS.map((column) => html`<${ColumnHead} key=${column.key} column=${column} />`)}
          </tr>
        </thead>
        <tbody role="rowgroup" ref=${tbody}>
          ${rows.map((stock) => html`<${Row} key=${stock.symbol} stock=${stock} firstSymbol=${firstSymbol} />`)}
        </tbody>
      </table>
      ${rows.length === 0 && isLoaded.value && html`
        <div class="nothing">
          <h2>${list.value === "main" ? "Your board is empty" : `“${list.value}” is empty`}</h2>
          <p>Type a symbol such as <b>AAPL</b>, or the name of a company, into the field above.${list.value === "main" ? "" : " The list is kept as soon as it has a stock."}</p>
        </div>`}
      ${rows.length === 0 && !isLoaded.value && html`<div class="nothing"><p>Loading …</p></div>`}
    </section>
  `;
}

function ColumnHead({ column }) {
  const { key, isDescending } = sort.value;
  const isSorted = key === column.key;
  if (!column.of) return html`<th role="columnheader" scope="col" class=${`c-${column.key}`}>${column.isUnseen ? html`<span class="unseen">${column.label}</span>` : column.label}</th>`;
  const click = () => {
    sort.value = sortAfterClick(sort.value, column);
  };
  return html`
    <th role="columnheader" scope="col" class=${`c-${column.key}`} aria-sort=${isSorted ? (isDescending ? "descending" : "ascending") : "none"}>
      <button type="button" onClick=${click} data-sort=${column.key}>${column.label}<span class="sort-arrow" aria-hidden="true">${isSorted ? (isDescending ? "↓" : "↑") : ""}</span></button>
    </th>`;
}

function Lists() {
  const [isNaming, setNaming] = useState(false);
  const field = useRef(null);
  useEffect(() => {
    if (isNaming) field.current?.focus();
  }, [isNaming]);
  const submit = (event) => {
    event.preventDefault();
    const name = field.current.value.trim();
    setNaming(false);
    if (name) showList(name);
  };
  return html`
    <nav class="lists" aria-label="Lists">
      ${lists.value.map((name) => html`
        <button key=${name} type="button" aria-current=${name === list.value ? "true" : undefined} data-list=${name} onClick=${() => showList(name)}>${name === "main" ? "My stocks" : name}</button>`)}
      ${isNaming
        ? html`<form onSubmit=${submit}><input ref=${field} aria-label="Name of the new list" placeholder="Name" maxlength="64" onBlur=${() => setNaming(false)} onKeyDown=${(event) => event.key === "Escape" && setNaming(false)} /></form>`
        : html`<button type="button" class="new-list" title="New list" aria-label="New list" onClick=${() => setNaming(true)}>+</button>`}
    </nav>
  `;
}
