// What holdings are worth at the newest prices, as the server reckons it (HOLDINGS). It knows no elements.

import { exact, NOTHING } from "../figures/exact.js";

/** What all lots of a symbol cost together, fees included; what was sold takes off. */
export function costOf(lots) {
  return lots.reduce((sum, lot) => sum.plus(exact(lot.quantity).times(exact(lot.unit_cost))).plus(exact(lot.fixed_cost ?? 0)), NOTHING);
}

/**
 * A holding of the reply at the newest price: {price, value, dayChange, gain, cost, converted}, the money exact and in
 * the currency of the price, what is not known undefined; `converted` is what the total has of it, undefined where that
 * is nothing. `quote` is a newer price, where there is one.
 */
export function standing(holding, cost, quote) {
  // Pounds for pence would be a hundred times as much: until the server has been asked again, its own figures stand.
  const newer = quote !== undefined && quote.currency === holding.currency ? quote : undefined;
  const quantity = exact(holding.quantity);
  const price = newer?.price ?? holding.price;
  const value = price === undefined ? undefined : quantity.times(exact(price));
  const dayChange = newer?.change === undefined ? known(holding.day_change) : quantity.times(exact(newer.change));
  const own = { price, cost, value, dayChange, gain: value?.minus(cost) };
  if (value === undefined || holding.rate === undefined || holding.converted === undefined) return own;
  const rate = exact(holding.rate);
  return { ...own, converted: { cost: cost.times(rate), value: value.times(rate), dayChange: dayChange?.times(rate) } };
}

/** The sums of those standings that are in the total: {cost, value, dayChange, gain}, and whether there are none. */
export function totalsOf(standings) {
  let [cost, value, dayChange, isEmpty] = [NOTHING, NOTHING, undefined, true];
  for (const { converted } of standings) {
    if (!converted) continue;
    isEmpty = false;
    cost = cost.plus(converted.cost);
    value = value.plus(converted.value);
    if (converted.dayChange) dayChange = (dayChange ?? NOTHING).plus(converted.dayChange);
  }
  return { cost, value, dayChange, gain: value.minus(cost), isEmpty };
}

/** The day's change in percent of the value at the close before. */
export function dayPercent({ value, dayChange }) {
  return value && dayChange ? dayChange.percentOf(value.minus(dayChange).abs()) : undefined;
}

/** The gain in percent of the cost; of what is sold out, or was sold at a profit already, percent say nothing. */
export function gainPercent({ gain, cost }, quantity) {
  if (!gain || quantity === 0 || quantity > 0 !== cost.sign > 0) return undefined;
  return gain.percentOf(cost.abs());
}

/** What part of the total a standing is, in percent. */
export function weightOf({ converted }, totals) {
  return converted && totals.value.sign > 0 ? converted.value.percentOf(totals.value) : undefined;
}

const DIGITS = { BTC: 8, ETH: 8 };
const digitsOf = new Map();

/** The decimals of money in a currency: those of its least coin. */
export function moneyDigits(currency) {
  if (!digitsOf.has(currency)) digitsOf.set(currency, DIGITS[currency] ?? coinDigits(currency));
  return digitsOf.get(currency);
}

function coinDigits(currency) {
  try {
    return new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions().maximumFractionDigits;
  } catch {
    return 2; // of a currency whose name is none
  }
}

function known(value) {
  return value === undefined ? undefined : exact(value);
}
