// The columns of the board, and the order that sorting by one of them gives. It knows the stocks and no screen.

/**
 * `isLive` columns change with the prices; `isNumber` ones stand on the right, and begin with the highest; the heads of
 * `isUnseen` ones are for screen readers alone.
 */
export const COLUMNS = [
  { key: "symbol", label: "Symbol", of: (stock) => stock.symbol },
  { key: "price", label: "Price", isNumber: true, isLive: true, of: (stock) => stock.quote?.price },
  { key: "change", label: "Change", isNumber: true, isLive: true, of: (stock) => stock.quote?.change },
  { key: "percent", label: "Change %", isNumber: true, isLive: true, of: (stock) => stock.quote?.change_percent },
  // On the screen it stands below the price, and has no head.
  { key: "extended", label: "Before and after hours", isUnseen: true },
  { key: "trend", label: "Day" },
  { key: "volume", label: "Volume", isNumber: true, isLive: true, of: (stock) => stock.quote?.volume },
  { key: "market", label: "Market", isLive: true, of: (stock) => stock.quote?.market_state },
  { key: "age", label: "Updated", isNumber: true, isLive: true, of: (stock) => stock.pricedAt },
  { key: "remove", label: "Remove", isUnseen: true },
];

/** `stocks` in the order that `sort` asks for; those whose value is not known come last, whichever way it goes. */
export function sorted(stocks, { key, isDescending }) {
  const all = [...stocks];
  const column = COLUMNS.find((each) => each.key === key);
  if (!column) return all;
  const sign = isDescending ? -1 : 1;
  return all.sort((one, other) => {
    const [left, right] = [column.of(one), column.of(other)];
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
