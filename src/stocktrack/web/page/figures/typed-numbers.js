// Numbers as people type and read them: with the separators of their language, or with a point. It knows no elements.

import { unmarked } from "./directions.js";

const MOST_DIGITS = 15;
const MOST_DECIMALS = 12;

const single = /^[+-]?(\d+([.,]\d*)?|[.,]\d+)$/;
// Of two separators the last one is the decimal one, whatever the language. In India groups above a thousand have two digits.
const mixed = /^[+-]?[1-9]\d{0,2}((,\d{2,3})*,\d{3}\.|(\.\d{2,3})*\.\d{3},)\d*$/;
const plainFormat = new Intl.NumberFormat(undefined, { maximumFractionDigits: MOST_DECIMALS });

/** What reads a number as people of a language write it. */
export function readerOf(language) {
  const parts = new Intl.NumberFormat(language, { useGrouping: true }).formatToParts(1_234_567.5);
  const signOf = (wanted, usual) => parts.find(({ type }) => type === wanted)?.value ?? usual;
  const [group, decimal] = [signOf("group", ","), signOf("decimal", ".")];
  // Nothing that begins with a zero is grouped: in German 0.125 is an eighth that was pasted, and not 125.
  const grouped = { ",": /^[+-]?[1-9]\d{0,2}(,\d{2,3})*,\d{3}$/, ".": /^[+-]?[1-9]\d{0,2}(\.\d{2,3})*\.\d{3}$/ }[group];
  // Arabic and others have digits and separators of their own.
  const plain = new Map([...new Intl.NumberFormat(language, { useGrouping: false }).format(9_876_543_210)].map((digit, place) => [digit, String(9 - place)]));
  if (!".,".includes(decimal)) plain.set(decimal, ".").set(group, "");
  return (text) => {
    const signs = [...unmarked(text)].map((sign) => plain.get(sign) ?? sign).join("").replace(/[\s\u00a0\u202f'’]/g, "").replace("−", "-");
    if (mixed.test(signs)) {
      const point = Math.max(signs.lastIndexOf("."), signs.lastIndexOf(","));
      return Number(`${signs.slice(0, point).replace(/[.,]/g, "")}.${signs.slice(point + 1)}`);
    }
    if (grouped?.test(signs)) return Number(signs.replaceAll(group, ""));
    return single.test(signs) ? Number(signs.replace(",", ".")) : NaN;
  };
}

/** The number that somebody typed: "1,234.5" and "1234,5" alike; NaN where it is none. A lone separator is the decimal one, unless it groups thousands here. */
export const numberIn = readerOf(undefined);

/** A number to be typed over: without groups, in so many decimals. */
export function toType(value, digits) {
  return unmarked(new Intl.NumberFormat(undefined, { useGrouping: false, minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value));
}

/** A number that somebody typed, to be read: all its digits, and none that a sum of doubles made. */
export function typed(value) {
  const text = plainFormat.format(Number(value.toPrecision(MOST_DIGITS)));
  return unmarked(value < 0 ? text.replace("-", "−") : text);
}
