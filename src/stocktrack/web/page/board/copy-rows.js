// Copying rows: those that the person has marked with the mouse, or all that are shown; and the board as a file.

import { notify } from "../session/notices.js";
import { list, stocks, view } from "../session/state.js";
import { choice } from "./choice.js";
import { copiedColumns, csvLines, tabbedLines } from "./copying.js";
import { shown } from "./layout.js";

/** Copy these stocks with their headings. */
export async function copyStocks(rows) {
  const text = tabbedLines(columnsNow(), rows, { hasHeadings: true });
  if (await toClipboard(text)) notify(rows.length === 1 ? "1 row copied." : `${rows.length} rows copied.`, { kind: "good" });
  else notify("This browser does not let the page copy. Mark the rows and press Ctrl+C.", { kind: "bad" });
}

/** Give these stocks to the person as a file. */
export function downloadStocks(rows) {
  const address = URL.createObjectURL(new Blob([csvLines(columnsNow(), rows)], { type: "text/csv" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = `stocktrack-${list.value}-${new Date().toISOString().slice(0, 10)}.csv`;
  link.click();
  // After the browser has begun with it.
  setTimeout(() => URL.revokeObjectURL(address), 1_000);
}

function columnsNow() {
  const { columns, under } = shown.value;
  return copiedColumns([...columns, ...under].map((column) => column.key), choice.value.hidden, choice.value.order);
}

async function toClipboard(text) {
  // Only pages that came over TLS, or from this machine, have it.
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Forbidden; the older way may do.
    }
  }
  let isCopied = false;
  const give = (event) => {
    event.stopImmediatePropagation();
    event.preventDefault();
    event.clipboardData.setData("text/plain", text);
    isCopied = true;
  };
  document.addEventListener("copy", give, { capture: true, once: true });
  document.execCommand("copy");
  document.removeEventListener("copy", give, { capture: true });
  return isCopied;
}

document.addEventListener("copy", (event) => {
  const table = document.querySelector(".board table");
  const selection = getSelection();
  if (view.value !== "board" || !table || selection.isCollapsed || event.target.closest?.("input, textarea")) return;
  const cells = [...table.querySelectorAll("tr:not([hidden])")].filter((row) => selection.containsNode(row, true)).flatMap((row) => markedCells(selection, row));
  // A part of one cell is copied as it stands.
  if (cells.length < 2) return;
  const rows = new Set(cells.map((cell) => cell.closest("tr")));
  const symbols = [...rows].map((row) => row.dataset.symbol).filter(Boolean);
  if (!symbols.length) return;
  const marked = symbols.map((symbol) => stocks.value.get(symbol)).filter(Boolean);
  event.preventDefault();
  event.clipboardData.setData("text/plain", tabbedLines(columnsNow(), marked, { hasHeadings: [...rows].some((row) => row.closest("thead")) }));
});

/** The cells of a row of whose text something is marked; a selection may end at the beginning of the next row. */
function markedCells(selection, row) {
  const range = selection.getRangeAt(0);
  return [...row.cells].filter((cell) => {
    if (!range.intersectsNode(cell)) return false;
    const own = document.createRange();
    own.selectNodeContents(cell);
    if (range.compareBoundaryPoints(Range.START_TO_START, own) > 0) own.setStart(range.startContainer, range.startOffset);
    if (range.compareBoundaryPoints(Range.END_TO_END, own) < 0) own.setEnd(range.endContainer, range.endOffset);
    return own.toString().trim() !== "";
  });
}
