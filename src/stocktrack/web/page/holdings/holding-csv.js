// Holdings as CSV, with the columns of the server's own. It knows no elements.

import { dayPercent, gainPercent, moneyDigits, weightOf } from "./holding-sums.js";

const COLUMNS = [
  "symbol", "name", "quantity", "unit_cost", "price", "currency",
  "cost", "value", "day_change", "day_change_percent", "gain", "gain_percent", "weight", "stale", "rate",
  "total_currency", "total_cost", "total_value", "total_day_change", "total_gain", "missing",
];

/** The lines of `rows`, each {holding, standing, isStale, why}, with their totals in `currency`. */
export function csvOf(rows, totals, currency) {
  const lines = rows.map(({ holding, standing, isStale, why }) => {
    const { cost, value, dayChange, gain, price, converted } = standing;
    const money = (amount) => plain(amount?.rounded(moneyDigits(holding.currency)));
    const summed = (amount) => plain(amount?.rounded(moneyDigits(currency)));
    return [
      text(holding.symbol), text(holding.name ?? ""), plain(holding.quantity), plain(holding.unit_cost), plain(price), text(holding.currency ?? ""),
      money(cost), money(value), money(dayChange), plain(dayPercent(standing)), money(gain), plain(gainPercent(standing, holding.quantity)),
      plain(weightOf(standing, totals)), isStale ? "true" : "", plain(holding.rate),
      converted ? currency : "", summed(converted?.cost), summed(converted?.value), summed(converted?.dayChange), summed(converted?.value.minus(converted.cost)),
      text(why ?? ""),
    ].join(",");
  });
  return `${[COLUMNS.join(","), ...lines].join("\r\n")}\r\n`;
}

/** All digits of a number and never an exponent, which some spreadsheets take for text. */
function plain(value) {
  if (value === undefined) return "";
  const written = String(value);
  if (!written.includes("e")) return written;
  const [digits, exponent] = written.split("e");
  if (Number(exponent) > 0) return BigInt(value).toString();
  const [whole, fraction = ""] = digits.replace("-", "").split(".");
  return `${value < 0 ? "-" : ""}0.${"0".repeat(-Number(exponent) - 1)}${whole}${fraction}`;
}

/** A text as a cell; one that a spreadsheet would take for a formula begins with an apostrophe. */
function text(value) {
  const harmless = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
