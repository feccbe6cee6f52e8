// What can be done with the board as a whole, at the right end of its tabs: filter it, copy it, keep it as a file.

import { html } from "../base/html.js";
import { copyStocks, downloadStocks } from "./copy-rows.js";
import { endFilter, focusFilter, isFiltering } from "./filter.js";

/** The buttons; `rowsNow` returns the stocks of the rows that are shown, in their order. */
export function Tools({ rowsNow }) {
  const isOpen = isFiltering.value;
  return html`
    <div class="board-tools">
      <button type="button" class="quiet" aria-pressed=${isOpen ? "true" : "false"} title="Filter (f)" aria-label="Filter" onClick=${() => (isOpen ? endFilter() : focusFilter())}>
        <svg viewBox="0 0 20 20" aria-hidden="true"><path d="M3 4.500h14l-5.500 6.500v5l-3-1.500V11z" /></svg>
      </button>
      <button type="button" class="quiet" title="Copy the board, for a spreadsheet" aria-label="Copy the board" onClick=${() => copyStocks(rowsNow())}>
        <svg viewBox="0 0 20 20" aria-hidden="true"><path d="M7 7h9.500v9.500H7zM13 7V3.500H3.500V13H7" /></svg>
      </button>
      <button type="button" class="quiet" title="Download the board as CSV" aria-label="Download the board as CSV" onClick=${() => downloadStocks(rowsNow())}>
        <svg viewBox="0 0 20 20" aria-hidden="true"><path d="M10 3v9m-3.500-3.500L10 12l3.500-3.500M4 16.500h12" /></svg>
      </button>
    </div>`;
}
