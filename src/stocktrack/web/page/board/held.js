// What the person holds of the stocks on the board, at the newest prices. Who reads it from the server is held-reader.js.

import { signal } from "../base/html.js";

/** The holdings of the last answer, by symbol. */
export const held = signal(new Map());

/** {quantity, value, gain} of a stock in the currency of its price, what is not known undefined; undefined where nothing is held. */
export function standingOf({ symbol, quote }) {
  const holding = held.value.get(symbol);
  if (holding === undefined) return undefined;
  const { quantity } = holding;
  const cost = holding.value === undefined || holding.gain === undefined ? undefined : holding.value - holding.gain;
  // Pounds for pence would be a hundred times as much.
  const isSame = quote !== undefined && quote.currency === holding.currency;
  const value = isSame ? quantity * quote.price : holding.value;
  return { quantity, value, gain: value === undefined || cost === undefined ? undefined : value - cost };
}
