// The keyboard: does what each key means (keys.js), and shows the window that lists them.

import { focusRow, moveFocus, order } from "../board/board.js";
import { openColumns } from "../board/chooser-opener.js";
import { focusFilter } from "../board/filter.js";
import { html, signal, useEffect, useRef } from "../base/html.js";
import { actionOf, KEYS } from "./keys.js";
import { closePanel } from "../panel/closing.js";
import { showList } from "../session/lists.js";
import { remove } from "../session/shown-list.js";
import { chosen, list, lists, phase, view } from "../session/state.js";
import { nextTheme } from "../base/theme.js";
import { back, toggle } from "../session/places.js";

const isShown = signal(false);

export function openShortcuts() {
  isShown.value = true;
}

export function Shortcuts() {
  const dialog = useRef(null);
  const isOpen = isShown.value;
  useEffect(() => {
    if (isOpen) dialog.current.showModal();
    else dialog.current.close();
  }, [isOpen]);
  return html`
    <dialog class="shortcuts" ref=${dialog} aria-labelledby="shortcuts-title" onClose=${() => { isShown.value = false; }}
            onClick=${(event) => event.target === dialog.current && dialog.current.close()}>
      <h2 id="shortcuts-title">Keyboard shortcuts</h2>
      <dl>${KEYS.map(([key, meaning]) => html`<dt><kbd>${key}</kbd></dt><dd>${meaning}</dd>`)}</dl>
      <form method="dialog"><button class="primary">Close</button></form>
    </dialog>
  `;
}

/** Take a stock off the board, and put the keyboard on the row that takes its place. */
function removeRow(symbol) {
  const symbols = order.value.map((stock) => stock.symbol);
  const place = symbols.indexOf(symbol);
  const next = symbols[place + 1] ?? symbols[place - 1];
  remove(symbol).then(() => next && focusRow(next));
}

/** Show the list `step` places on, round and round. */
function turnList(step) {
  const names = lists.value;
  if (names.length > 1) showList(names[(names.indexOf(list.value) + step + names.length) % names.length]);
}

const ACTIONS = {
  add: () => document.getElementById("add-field")?.focus(),
  next: () => moveFocus(1),
  previous: () => moveFocus(-1),
  first: () => focusRow(order.value[0].symbol),
  last: () => focusRow(order.value.at(-1).symbol),
  remove: removeRow,
  previousList: () => turnList(-1),
  nextList: () => turnList(1),
  filter: () => view.value === "board" && focusFilter(),
  columns: openColumns,
  alerts: () => toggle("alerts"),
  holdings: () => toggle("holdings"),
  close: () => (chosen.value === null ? back() : closePanel()),
  theme: nextTheme,
  keys: openShortcuts,
};

addEventListener("keydown", (event) => {
  if (phase.value !== "board" || isShown.value || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest?.("input, textarea, select, dialog")) return;
  const symbol = event.target.closest?.("tr[data-symbol]")?.dataset.symbol;
  const action = actionOf(event.key, {
    isOnRow: symbol !== undefined,
    isOnPage: document.activeElement === document.body,
    isAnythingOpen: chosen.value !== null || view.value !== "board",
  });
  if (action === null) return;
  ACTIONS[action](symbol);
  event.preventDefault();
});
