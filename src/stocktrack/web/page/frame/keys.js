// What each key means on the board. It knows no elements: where the keyboard stands is handed in.

/** The keys as the person is told of them. */
export const KEYS = [
  ["/", "Add a symbol or a company"],
  ["↓ or j", "Next stock"],
  ["↑ or k", "Previous stock"],
  ["Home, End", "First or last stock"],
  ["Enter", "Show the stock's chart, company, dividends and news"],
  ["Alt ↑, Alt ↓", "Move the stock to another place of its list"],
  ["Delete", "Take the stock off the board"],
  ["f", "Filter the rows by a symbol or a name"],
  ["c", "Choose the columns"],
  ["[ and ]", "Previous and next list"],
  ["a", "Alerts, and back to the board"],
  ["h", "Holdings, and back to the board"],
  ["Esc", "Close what is open"],
  ["t", "Change the theme: as the system, light, dark"],
  ["?", "Show these keys"],
];

const ANYWHERE = { "/": "add", a: "alerts", c: "columns", f: "filter", h: "holdings", j: "next", k: "previous", "[": "previousList", "]": "nextList", t: "theme", "?": "keys" };
const ON_A_ROW = { Delete: "remove", Home: "first", End: "last", ArrowDown: "next", ArrowUp: "previous" };
// Elsewhere, as in the panel, the arrow keys scroll.
const ON_THE_PAGE = { ArrowDown: "next", ArrowUp: "previous" };

/**
 * The name of what `key` does, or null. `isOnRow`: the keyboard stands on a row of the board; `isOnPage`: it stands on
 * nothing; `isAnythingOpen`: the panel, the alerts or the holdings, which Escape closes.
 */
export function actionOf(key, { isOnRow, isOnPage, isAnythingOpen }) {
  if (key === "Escape") return isAnythingOpen ? "close" : null;
  const meanings = { ...ANYWHERE, ...(isOnPage ? ON_THE_PAGE : {}), ...(isOnRow ? ON_A_ROW : {}) };
  return Object.hasOwn(meanings, key) ? meanings[key] : null;
}
