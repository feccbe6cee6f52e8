// The columns of the board, and the order that sorting by one of them gives. It knows the stocks and no screen.

import { standingOf } from "./held.js";
import { dayRange, yearRange } from "./price-ranges.js";

const quoted = (name) => (stock) => stock.quote?.[name];
const detail = (name) => (stock) => stock.details?.[name];
const standing = (name) => (stock) => standingOf(stock)?.[name];

/**
 * In the order in which they stand until somebody moves them. `of` is the value that sorting goes by; `kind` says what it
 * is: "text", "price" (with the decimals of its stock), "hundredths", "number", "time". `isLive` columns change with the
 * prices; `isNumber` ones stand on the right, and begin with the highest.
 *
 * `rank` says what gets the room of a screen first where nobody chose: 0 is always there, and what has none is there for
 * those alone who choose it; an `isOptional` one takes none where no stock has anything for it. `needs` is what no push brings: "details" of a whole quote, or "holdings".
 * `copies` are the columns of a copy where they are others than this one.
 */
export const COLUMNS = [
  { key: "symbol", label: "Symbol", rank: 0, kind: "text", of: (stock) => stock.symbol },
  { key: "name", label: "Name", rank: 4, isOptional: true, kind: "text", of: (stock) => stock.details?.name ?? stock.details?.exchange },
  { key: "price", label: "Price", rank: 0, isNumber: true, isLive: true, kind: "price", of: quoted("price") },
  { key: "currency", label: "Currency", short: "Cur.", rank: 5, kind: "text", of: quoted("currency") },
  { key: "change", label: "Change", rank: 7, isNumber: true, isLive: true, kind: "price", of: quoted("change") },
  { key: "percent", label: "Change %", shortest: "%", rank: 1, isNumber: true, isLive: true, kind: "hundredths", of: quoted("change_percent") },
  {
    key: "extended", label: "Before and after hours", short: "Extended", rank: 2, isOptional: true, isNumber: true, isLive: true, kind: "hundredths", of: (stock) => stock.extended?.percent,
    copies: [
      { label: "Extended price", kind: "price", of: (stock) => stock.extended?.price },
      { label: "Extended %", kind: "hundredths", of: (stock) => stock.extended?.percent },
    ],
  },
  { key: "trend", label: "Day’s line", short: "Day", rank: 6 },
  {
    key: "range", label: "Day’s range", rank: 10, isOptional: true, isNumber: true, isLive: true, needs: "details", kind: "price", of: (stock) => dayRange(stock)?.place,
    copies: [
      { label: "Day’s low", kind: "price", of: (stock) => dayRange(stock)?.low },
      { label: "Day’s high", kind: "price", of: (stock) => dayRange(stock)?.high },
    ],
  },
  { key: "open", label: "Open", rank: 13, isOptional: true, isNumber: true, needs: "details", kind: "price", of: detail("open") },
  { key: "previous", label: "Previous close", short: "Previous", rank: 14, isOptional: true, isNumber: true, needs: "details", kind: "price", of: (stock) => stock.previousClose },
  { key: "bid", label: "Bid", rank: 15, isOptional: true, isNumber: true, isLive: true, kind: "price", of: quoted("bid") },
  { key: "ask", label: "Ask", rank: 16, isOptional: true, isNumber: true, isLive: true, kind: "price", of: quoted("ask") },
  { key: "volume", label: "Volume", rank: 8, isNumber: true, isLive: true, kind: "number", of: quoted("volume") },
  {
    key: "year", label: "52 weeks", rank: 11, isOptional: true, isNumber: true, isLive: true, needs: "details", kind: "price", of: (stock) => yearRange(stock)?.place,
    copies: [
      { label: "52 weeks low", kind: "price", of: (stock) => yearRange(stock)?.low },
      { label: "52 weeks high", kind: "price", of: (stock) => yearRange(stock)?.high },
    ],
  },
  { key: "cap", label: "Market value", rank: 12, isOptional: true, isNumber: true, needs: "details", kind: "number", of: detail("market_cap") },
  { key: "pe", label: "P/E", rank: 17, isOptional: true, isNumber: true, needs: "details", kind: "hundredths", of: detail("trailing_pe") },
  { key: "quantity", label: "Quantity held", short: "Quantity", isNumber: true, needs: "holdings", kind: "number", of: standing("quantity") },
  { key: "value", label: "Value held", short: "Value", isNumber: true, isLive: true, needs: "holdings", kind: "hundredths", of: standing("value") },
  { key: "gain", label: "Gain", isNumber: true, isLive: true, needs: "holdings", kind: "hundredths", of: standing("gain") },
  { key: "market", label: "Market", rank: 9, isLive: true, kind: "text", of: quoted("market_state") },
  { key: "source", label: "Source", rank: 18, isOptional: true, kind: "text", of: quoted("provider") },
  { key: "age", label: "Updated", rank: 3, isNumber: true, isLive: true, kind: "time", of: (stock) => stock.pricedAt },
  { key: "remove", label: "Remove", rank: 0 },
];

/** The columns by their keys. */
export const COLUMN = new Map(COLUMNS.map((column) => [column.key, column]));

/** `stocks` in the order that `sort` asks for; those whose value is not known come last, whichever way it goes. */
export function sorted(stocks, { key, isDescending }) {
  const all = [...stocks];
  const column = COLUMN.get(key);
  if (!column?.of) return all;
  const sign = isDescending ? -1 : 1;
  // Each value once: a comparison would ask for both of them anew.
  const values = new Map(all.map((stock) => [stock, column.of(stock)]));
  return all.sort((one, other) => {
    const [left, right] = [values.get(one), values.get(other)];
    if (left === undefined || right === undefined) return Number(left === undefined) - Number(right === undefined);
    return sign * (typeof left === "string" ? left.localeCompare(right) : left - right);
  });
}

/** How the board is sorted after a click on the head of `column`: its first way, the other way, the order of saving. */
export function sortAfterClick(sort, column) {
  const first = Boolean(column.isNumber);
  if (sort.key !== column.key) return { key: column.key, isDescending: first };
  if (sort.isDescending === first) return { key: column.key, isDescending: !first };
  return { key: null, isDescending: false };
}

/** Whether the order changes with the prices. */
export function isSortLive({ key }) {
  return COLUMNS.some((column) => column.key === key && column.isLive);
}

/** The symbol `step` rows from `current`, or from the first row; null on an empty board. It stops at both ends. */
export function symbolAt(symbols, current, step) {
  if (!symbols.length) return null;
  const place = symbols.indexOf(current ?? symbols[0]);
  return symbols[Math.max(0, Math.min(symbols.length - 1, place + step))];
}
