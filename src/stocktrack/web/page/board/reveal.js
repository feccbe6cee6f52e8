// Brings the row that the keyboard stands on into view, and lights it for a moment: what was just added, or is there already.

import { current } from "../session/state.js";

const LIGHT_MS = 1_400;

/** Scroll to the current row and light it, as soon as it is drawn; the focus stays where it is. */
export function reveal() {
  const symbol = current.value;
  if (symbol === null) return;
  // One frame for the components to draw the row, and one for it to have its place.
  requestAnimationFrame(() => requestAnimationFrame(() => {
    const row = document.querySelector(`tr[data-symbol="${CSS.escape(symbol)}"]`);
    if (!row) return;
    row.scrollIntoView({ block: "nearest" });
    row.classList.add("found");
    setTimeout(() => row.classList.remove("found"), LIGHT_MS);
  }));
}
