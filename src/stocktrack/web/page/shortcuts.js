// The keyboard: what each key does, and the window that lists them.

import { focusRow, moveFocus, order } from "./board.js";
import { html, signal, useEffect, useRef } from "./html.js";
import { remove } from "./session.js";
import { chosen, phase, stocks } from "./state.js";
import { nextTheme } from "./theme.js";

const isShown = signal(false);

const KEYS = [
  ["/", "Add a symbol or a company"],
  ["↓ or j", "Next stock"],
  ["↑ or k", "Previous stock"],
  ["Home, End", "First or last stock"],
  ["Enter", "Show the stock's chart, company, dividends and news"],
  ["Delete", "Take the stock off the board"],
  ["Esc", "Close what is open"],
  ["t", "Change the theme: as the system, light, dark"],
  ["?", "Show these keys"],
];

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

/** Close the panel, and put the keyboard back on its row. */
export function closePanel() {
  const symbol = chosen.value;
  chosen.value = null;
  if (symbol !== null && stocks.value.has(symbol)) focusRow(symbol);
}

const ACTIONS = {
  "/": () => document.getElementById("add-field")?.focus(),
  ArrowDown: () => moveFocus(1),
  j: () => moveFocus(1),
  ArrowUp: () => moveFocus(-1),
  k: () => moveFocus(-1),
  t: nextTheme,
  "?": openShortcuts,
};

addEventListener("keydown", (event) => {
  if (phase.value !== "board" || isShown.value || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest?.("input, textarea, select, dialog")) return;
  const row = event.target.closest?.("tr[data-symbol]");
  if (event.key === "Escape" && chosen.value !== null) closePanel();
  else if (row && event.key === "Delete") {
    const symbols = order.value.map((stock) => stock.symbol);
    const place = symbols.indexOf(row.dataset.symbol);
    const next = symbols[place + 1] ?? symbols[place - 1];
    remove(row.dataset.symbol).then(() => next && focusRow(next));
  } else if (row && event.key === "Home") focusRow(order.value[0].symbol);
  else if (row && event.key === "End") focusRow(order.value.at(-1).symbol);
  // The arrow keys scroll the page, and the panel, where the keyboard is not on the board.
  else if (event.key.startsWith("Arrow") && !row && document.activeElement !== document.body) return;
  else if (ACTIONS[event.key]) ACTIONS[event.key]();
  else return;
  event.preventDefault();
});
