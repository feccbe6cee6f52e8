// Closes the panel, and puts the keyboard where it was before.

import { focusRow } from "../board/board.js";
import { uncoverPage } from "./sheet.js";
import { wantPanel } from "../session/places.js";
import { chosen, stocks, view } from "../session/state.js";

/** Close the panel, and put the keyboard back on its row. */
export function closePanel() {
  const symbol = chosen.value;
  uncoverPage();
  chosen.value = null;
  wantPanel(false);
  if (view.value !== "board") document.getElementById("view-title")?.focus();
  else if (symbol !== null && stocks.value.has(symbol)) focusRow(symbol);
}
