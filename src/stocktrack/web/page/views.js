// What stands in the middle of the page: the board, or the alerts or the holdings; and how one gets there and back.

import { signal } from "./html.js";
import { chosen, view } from "./state.js";

/** The symbol that the next alert or lot is to be of; a new object each time that somebody asks for one. */
export const subject = signal({ symbol: "" });

// There the panel is a sheet over everything.
const isNarrow = matchMedia("(max-width: 1099px)");

/** Show "alerts" or "holdings"; of `symbol` where one is meant. */
export function open(name, symbol = "") {
  if (symbol || view.value !== name) subject.value = { symbol };
  if (isNarrow.matches) chosen.value = null;
  view.value = name;
}

/** Go back to the board, with the keyboard on the button that leads here. */
export function back() {
  const left = view.value;
  view.value = "board";
  document.querySelector(`.top [data-view="${left}"]`)?.focus();
}

/** Show a part, or the board where it is shown already. */
export function toggle(name) {
  if (view.value === name) back();
  else open(name);
}
