// What the address says behind its `#`: which view, which list, and which stock is in the panel. It knows no elements.
//
// "#/main/AAPL" is a list with a stock, "#/main" a list alone, "#alerts" a view, and "#alerts/AAPL" one with a stock beside it.

/** The views that stand in the board's place. */
export const VIEWS = ["alerts", "holdings", "admin"];

/** The part of an address from its `#` on for a place: {view, list, symbol}; `symbol` is null where the panel is closed. */
export function addressOf({ view, list, symbol }) {
  const of = symbol === null ? "" : `/${encoded(symbol)}`;
  return view === "board" ? `#/${encoded(list)}${of}` : `#${view}${of}`;
}

/** The place of such a part: {view, list, symbol}, where `list` is null for a view. Null where it says none. */
export function placeOf(hash) {
  const parts = hash.slice(1).split("/").map(decoded);
  if (parts.includes(null)) return null;
  const [first, second, third] = parts;
  if (first === "" && second) return { view: "board", list: second, symbol: symbolOf(third) };
  if (VIEWS.includes(first)) return { view: first, list: null, symbol: symbolOf(second) };
  return null;
}

function symbolOf(text) {
  return text ? text.toUpperCase() : null;
}

// Symbols such as EURUSD=X and BRK:B stay as one types them.
function encoded(text) {
  return encodeURIComponent(text).replaceAll("%3D", "=").replaceAll("%3A", ":").replaceAll("%5E", "^");
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return null; // a "%" that encodes nothing
  }
}
