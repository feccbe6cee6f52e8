// The board on paper: with the columns that a sheet has room for, and the time at which it was printed.

import { isolated } from "../figures/directions.js";
import * as format from "../figures/format.js";
import { layOutOnPaper } from "./layout.js";

const NOTE = "print-note";

/** The id of the element that says when the board was printed. */
export const printNoteId = NOTE;

addEventListener("beforeprint", () => {
  const note = document.getElementById(NOTE);
  if (note) note.textContent = `StockTrack · ${isolated(format.dateAndTime(Date.now()))}`;
  layOutOnPaper(true);
});
addEventListener("afterprint", () => layOutOnPaper(false));
