// The field of the board's filter, and how many rows it leaves.

import { html, useEffect } from "../base/html.js";
import { Cross } from "../base/icons.js";
import { announce } from "../session/notices.js";
import { stocks } from "../session/state.js";
import { endFilter, filterText, matching } from "./filter.js";

const ANNOUNCE_AFTER_MS = 700;

/** The filter; `leave` puts the keyboard on the first row that is left. */
export function FilterField({ leave }) {
  const all = stocks.value.size;
  const left = matching.value === null ? all : matching.value.size;
  const count = `${left} of ${all}`;
  useEffect(() => {
    if (!filterText.value) return undefined;
    const timer = setTimeout(() => announce(`${count} stocks shown.`), ANNOUNCE_AFTER_MS);
    return () => clearTimeout(timer);
  }, [count, filterText.value]);
  const onKeyDown = (event) => {
    if (event.key === "Escape") {
      event.preventDefault();
      if (filterText.value) filterText.value = "";
      else {
        endFilter();
        leave();
      }
    } else if (event.key === "Enter" || event.key === "ArrowDown") {
      event.preventDefault();
      leave();
    }
  };
  return html`
    <div class="filter" role="search" aria-label="Filter of the board">
      <input id="filter-field" type="text" aria-label="Filter: part of a symbol or a name" aria-describedby="filter-count" placeholder="Symbol or name" autocomplete="off" spellcheck=${false} enterkeyhint="done"
             value=${filterText.value} onInput=${(event) => { filterText.value = event.target.value; }} onKeyDown=${onKeyDown} />
      <span id="filter-count" class="filter-count">${count}</span>
      <button type="button" class="quiet" aria-label="End the filter" title="End the filter (Esc)" onClick=${() => { endFilter(); leave(); }}><${Cross} /></button>
    </div>`;
}
