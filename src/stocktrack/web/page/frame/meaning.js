// What a text means that somebody typed or pasted to add stocks: symbols, or the name of a company. It asks nobody.

import { symbolsIn } from "../figures/format.js";

const SEPARATORS = /[,;\t\r\n]+/;
const HEADING = /^(symbol|ticker|stock|code)s?$/i;

/**
 * What the return key adds: {symbols, instead, needsAll}. Where no source knows `symbols`, or with `needsAll` one of
 * them, it is the suggestion `instead`, or else nothing. `found` are the suggestions for this very text.
 *
 * A suggestion with all the words in its name is what a name means; a word that could be a symbol is tried as one; words
 * with blanks between them are symbols only where each of them is.
 */
export function meant(text, found) {
  const [best] = found;
  const symbols = symbolsIn(text);
  if (best !== undefined && isNamed(best, text) && !isAmong(symbols, found)) return { symbols: [best.symbol] };
  if (SEPARATORS.test(text)) return { symbols, needsAll: hasWords(text) };
  if (!symbols.length && best !== undefined) return { symbols: [best.symbol] };
  if (symbols.length === 1 && isAmong(symbols, found)) return { symbols };
  return { symbols, instead: best?.symbol, needsAll: symbols.length > 1 };
}

/** Whether commas or lines stand between symbols: then no suggestion is waited for. */
export function isListed(text) {
  return SEPARATORS.test(text);
}

/** The first word or cell that cannot be a symbol, or undefined. */
export function noSymbol(text) {
  return text.split(SEPARATORS).flatMap((part) => part.split(/\s+/)).find((word) => word && !symbolsIn(word).length);
}

function isAmong(symbols, found) {
  return symbols.length === 1 && found.some((match) => match.symbol === symbols[0]);
}

/** Whether all words of the text stand in the name of a suggestion. */
function isNamed({ name }, text) {
  const named = new Set(wordsOf(name ?? ""));
  const words = wordsOf(text);
  return words.length > 0 && words.every((word) => named.has(word));
}

function wordsOf(text) {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}

/** Whether a part between the commas is several words, as "Walt Disney" in "AAPL, Walt Disney". */
function hasWords(text) {
  return text.split(SEPARATORS).some((part) => /\S\s+\S/.test(part));
}

/**
 * What is pasted of lines or cells, with commas: of a table the first column that holds symbols, without its heading.
 */
export function listedOf(text) {
  const rows = text.split(/[\r\n]+/).map((row) => row.split("\t").map((cell) => cell.trim().replace(/^"(.*)"$/, "$1")));
  const filled = rows.filter((row) => row.some(Boolean));
  const columns = Math.max(0, ...filled.map((row) => row.length));
  const ofColumn = (place) => filled.map((row) => row[place] ?? "").filter((cell, row) => cell && !(row === 0 && HEADING.test(cell)));
  // A row of a spreadsheet is symbols side by side.
  const all = filled.flat().filter(Boolean);
  if (columns < 2 || filled.length < 2) return (filled.length < 2 && all.every(isSymbol) ? all : ofColumn(0)).join(", ");
  for (let place = 0; place < columns; place += 1) {
    const cells = ofColumn(place);
    if (cells.length && cells.every(isSymbol)) return cells.join(", ");
  }
  return all.join(", ");
}

/** Whether a cell is a symbol and no figure. */
function isSymbol(cell) {
  return /\p{L}/u.test(cell) && symbolsIn(cell).length === 1;
}
