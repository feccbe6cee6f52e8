// The title of the browser's tab: the stock in the panel with its price, and what one should know without looking. It knows
// no elements.

import * as format from "../figures/format.js";

const NAME = "StockTrack";
const VIEWS = { alerts: "Alerts", holdings: "Holdings", admin: "Administration" };

/**
 * The title for the `stock` in the panel (or undefined), the view, whether the page has lost its connection, and how many
 * alerts fired that nobody has seen.
 */
export function titleOf({ stock, view, isLost, unseen }) {
  const shown = stock?.quote ? priceOf(stock) : VIEWS[view];
  const fired = unseen ? `(${unseen}) ` : "";
  return fired + [isLost && "Offline", shown, NAME].filter(Boolean).join(" · ");
}

function priceOf({ symbol, quote, extended, digits }) {
  const stale = quote.stale ? " stale" : "";
  const percent = quote.change_percent === undefined ? "" : ` ${format.percent(quote.change_percent)}`;
  const regular = `${symbol} ${format.price(quote.price, digits)}${percent}${stale}`;
  return extended ? `${regular} ${extended.word} ${format.price(extended.price, digits)}` : regular;
}
