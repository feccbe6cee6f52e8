// Where the person is: the view, the list and the stock in the panel. The address says it (address.js), each deliberate
// step of the person is one of the browser's history, and Back and a link lead where they say.

import { addressOf, placeOf } from "./address.js";
import { batch, effect, signal } from "../base/html.js";
import { recall, remember } from "../base/keeping.js";
import { notify } from "./notices.js";
import { byItself, showList } from "./lists.js";
import { logOut } from "./session.js";
import { MAIN } from "./shown-list.js";
import { chosen, isLoaded, list, lists, phase, sort, view } from "./state.js";

/** The symbol that the next alert or lot is to be of; a new object each time that somebody asks for one. */
export const subject = signal({ symbol: "" });

// There the panel is a sheet over everything.
const isNarrow = matchMedia("(max-width: 1099px)");
const KEY = `stocktrack.place:${new URL(".", document.baseURI).pathname}`;

// The page itself changes what is shown, and not the person: that is no step.
let isCorrecting = false;
// The browser is on its way back because the page asked it to.
let isReturning = false;
// Whether an address led to the list on the screen; else the page may choose a first stock of it.
let isMeant = false;
// The list that the address named, until a list is there; and whether one was, since the person logged in.
let meantList = null;
let hasBegun = false;

/** Show a view; of `symbol` where one is meant. */
export function open(name, symbol = "") {
  if (symbol || view.value !== name) subject.value = { symbol };
  batch(() => {
    if (isNarrow.matches) chosen.value = null;
    view.value = name;
  });
}

/** Go back to the board, with the keyboard on the button that leads to the view. */
export function back() {
  const left = view.value;
  view.value = "board";
  document.querySelector(`.top [data-view="${left}"]`)?.focus();
}

/** Show a view, or the board where the view is shown already. */
export function toggle(name) {
  if (view.value === name) back();
  else open(name);
}

/** Change what is shown without a step that Back would lead to. */
function correct(change) {
  const before = address();
  isCorrecting = true;
  batch(change);
  // Else it counts until the address follows, which may be after a batch around this one.
  if (address() === before) isCorrecting = false;
}

/**
 * Open the panel with the first stock of a list that has just come, where there is room beside the board: unless an address
 * says what to show, or the person has closed the panel.
 */
export function beginWith(symbol) {
  const isWanted = !isMeant && !isNarrow.matches && chosen.value === null && recalled().hasPanel;
  isMeant = false;
  if (isWanted) correct(() => { chosen.value = symbol; });
}

/** Note that the person closed the panel, or wants it again. */
export function wantPanel(hasPanel) {
  // On a narrow screen it is closed to see the board.
  if (!isNarrow.matches && recalled().hasPanel !== hasPanel) keep({ hasPanel });
}

/** Log out, and lead nobody else to where this person was. */
export function leave() {
  history.replaceState(null, "", location.pathname + location.search);
  logOut();
}

/** Begin where the address leads, or else with the list and the sorting of the last time. */
function begin() {
  const place = placeOf(location.hash);
  const before = recalled();
  isMeant = place !== null;
  meantList = place?.list ?? null;
  batch(() => {
    view.value = place?.view ?? "board";
    list.value = place?.list ?? before.list;
    chosen.value = place?.symbol ?? null;
    sort.value = before.sort;
  });
}

function tellNoList(name) {
  notify(`There is no list “${name}”.`, { kind: "bad" });
}

function address() {
  return addressOf({ view: view.peek(), list: list.peek(), symbol: chosen.peek() });
}

/** Have the address say where the person is now. */
function settle({ isStep = true } = {}) {
  const now = address();
  if (isReturning || now === location.hash) return;
  if (!isStep || !hasBegun || placeOf(location.hash) === null) history.replaceState(history.state, "", now);
  else if (history.state?.before === now && isClosing(placeOf(location.hash))) {
    isReturning = true;
    history.back();
  } else history.pushState({ before: location.hash }, "", now);
}

/** Whether what is shown is what was under that place: its view, or else its panel, is closed. */
function isClosing(before) {
  if (before.view !== view.peek()) return view.peek() === "board";
  return before.symbol !== null && chosen.peek() === null;
}

/** Show what the address says. */
async function follow() {
  const place = placeOf(location.hash);
  if (place?.list && lists.value.length && !lists.value.includes(place.list)) tellNoList(place.list);
  else if (place) {
    const { view: left, symbol: before } = { view: view.value, symbol: chosen.value };
    isMeant = true;
    const goesOn = place.list && place.list !== list.value ? showList(place.list, place.symbol) : null;
    correct(() => {
      view.value = place.view;
      if (!goesOn) chosen.value = place.symbol;
    });
    // What had the keyboard is gone.
    const from = left === place.view ? `[data-pick="${CSS.escape(before ?? "")}"]` : `.top [data-view="${left}"]`;
    if (left !== place.view ? place.view === "board" : before !== null && place.symbol === null) document.querySelector(from)?.focus();
    await goesOn;
  }
  // An address that leads nowhere is made to say where the page is.
  settle({ isStep: false });
}

function recalled() {
  let kept = {};
  try {
    kept = JSON.parse(recall(KEY)) ?? {};
  } catch {
    // Something else has written there: it is as if nothing were kept.
  }
  const { list: name, sort: sorting, hasPanel } = kept;
  return {
    list: typeof name === "string" && name ? name : MAIN,
    sort: { key: typeof sorting?.key === "string" ? sorting.key : null, isDescending: sorting?.isDescending === true },
    hasPanel: hasPanel !== false,
  };
}

function keep(fields) {
  remember(KEY, JSON.stringify({ ...recalled(), ...fields }));
}

byItself.change = correct;

addEventListener("popstate", () => {
  if (phase.value === "login") begin();
  else if (isReturning) {
    isReturning = false;
    settle(); // what changed on the way
  } else follow();
});

effect(() => {
  // Read, so that a change of them is seen.
  void [view.value, list.value, chosen.value];
  const isStep = !isCorrecting;
  isCorrecting = false;
  // Whoever has yet to log in keeps the address that led here.
  if (phase.value !== "login") settle({ isStep });
});

effect(() => {
  if (phase.value !== "login") return;
  hasBegun = false;
  begin();
});

effect(() => {
  if (!isLoaded.value) return;
  keep({ list: list.value, sort: sort.value });
  if (meantList !== null && list.value !== meantList) tellNoList(meantList);
  meantList = null;
  hasBegun = true;
});

effect(() => {
  if (chosen.value !== null && isLoaded.value) wantPanel(true);
});
