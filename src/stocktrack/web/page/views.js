// What stands in the middle of the page: the board, or the alerts or the holdings; and how one gets there and back.

import { effect, signal } from "./html.js";
import { chosen, phase, view } from "./state.js";

/** The symbol that the next alert or lot is to be of; a new object each time that somebody asks for one. */
export const subject = signal({ symbol: "" });

// There the panel is a sheet over everything.
const isNarrow = matchMedia("(max-width: 1099px)");

/** Show "alerts" or "holdings"; of `symbol` where one is meant. */
export function open(name, symbol = "") {
  if (symbol || view.value !== name) subject.value = { symbol };
  if (isNarrow.matches) chosen.value = null;
  // The browser's own way back leads to the board as well, and not away from what is half filled in.
  if (view.value === "board") history.pushState({ view: name }, "");
  else history.replaceState({ view: name }, "");
  view.value = name;
}

/** Go back to the board, with the keyboard on the button that leads here. */
export function back() {
  showBoard();
  if (history.state?.view) history.back();
}

function showBoard() {
  const left = view.value;
  view.value = "board";
  document.querySelector(`.top [data-view="${left}"]`)?.focus();
}

/** Show a part, or the board where it is shown already. */
export function toggle(name) {
  if (view.value === name) back();
  else open(name);
}

addEventListener("popstate", () => {
  if (phase.value === "login") return;
  const name = history.state?.view;
  if (name) view.value = name;
  else if (view.value !== "board") showBoard();
});

effect(() => {
  // Whoever logs in next begins with the board, and so does a page that is loaded anew.
  if (phase.value === "login" && history.state?.view) history.replaceState(null, "");
});
