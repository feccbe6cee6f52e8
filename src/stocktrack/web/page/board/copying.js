// Rows of the board as text: for a spreadsheet that they are pasted into, and as a CSV file. It knows no elements.

import { unmarked } from "../figures/directions.js";
import { COLUMNS } from "./columns.js";

// What a copy has though the screen had no room for it.
const ALWAYS = new Set(["symbol", "name", "price", "currency", "change", "percent", "age"]);

/** The columns of a copy: those that are `shown`, by their keys, and the chief ones that the person has not `hidden`, in `order`. */
export function copiedColumns(shown, hidden, order) {
  const isCopied = (key) => shown.includes(key) || (ALWAYS.has(key) && !hidden.includes(key));
  return ["symbol", ...order]
    .filter(isCopied)
    .map((key) => COLUMNS.find((column) => column.key === key))
    .flatMap((column) => column.copies ?? (column.kind ? [column] : []));
}

/** Lines with a tab between cells: numbers as they are written in this place and without signs between the thousands. */
export function tabbedLines(columns, stocks, { hasHeadings }) {
  const lines = stocks.map((stock) => columns.map((column) => text(column, stock, localNumber).replace(/\s+/g, " ")).join("\t"));
  return [...(hasHeadings ? [columns.map(({ label }) => label).join("\t")] : []), ...lines].join("\n");
}

/** A CSV file as RFC 4180 has it; its numbers have a point, and its times are ISO 8601. */
export function csvLines(columns, stocks) {
  const cell = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const lines = stocks.map((stock) => columns.map((column) => cell(text(column, stock, pointNumber))));
  return [columns.map(({ label }) => cell(label)), ...lines].map((cells) => `${cells.join(",")}\r\n`).join("");
}

function text({ kind, of: valueOf }, stock, numberWith) {
  const value = valueOf(stock);
  if (value === undefined || value === null) return "";
  switch (kind) {
    case "price":
      return numberWith(value, stock.digits ?? 2, true);
    case "hundredths":
      return numberWith(value, 2, true);
    case "number":
      return numberWith(value, 8, false);
    case "time":
      return numberWith === pointNumber ? new Date(value).toISOString() : localTime(value);
    default:
      return harmless(String(value));
  }
}

/** One that a spreadsheet would take for a formula begins with an apostrophe. */
function harmless(value) {
  return /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
}

function pointNumber(value, digits, isExact) {
  return numberIn("en", value, digits, isExact);
}

function localNumber(value, digits, isExact) {
  return numberIn(undefined, value, digits, isExact);
}

const formats = new Map();

function numberIn(place, value, digits, isExact) {
  const key = `${place} ${digits} ${isExact}`;
  if (!formats.has(key)) {
    formats.set(key, new Intl.NumberFormat(place, { numberingSystem: "latn", useGrouping: false, minimumFractionDigits: isExact ? digits : 0, maximumFractionDigits: digits, signDisplay: "negative" }));
  }
  // A spreadsheet knows a number by its hyphen, and by digits and nothing that cannot be seen.
  return unmarked(formats.get(key).format(value)).replace("\u2212", "-");
}

/** "2026-11-30 14:05:09", on the clock of this place. */
function localTime(ms) {
  const at = new Date(ms);
  const two = (number) => String(number).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}
