// Numbers as people type and read them: with the separators of their language, or with a point. It knows no elements.

const parts = new Intl.NumberFormat(undefined, { useGrouping: true }).formatToParts(1_234_567.5);
const GROUP = parts.find(({ type }) => type === "group")?.value ?? ",";
const DECIMAL = parts.find(({ type }) => type === "decimal")?.value ?? ".";
const MOST_DIGITS = 15;
const MOST_DECIMALS = 12;

const grouped = pattern(`[+-]?\\d{1,3}(G\\d{3})+(D\\d+)?`);
const single = /^[+-]?(\d+([.,]\d*)?|[.,]\d+)$/;
const plainFormat = new Intl.NumberFormat(undefined, { maximumFractionDigits: MOST_DECIMALS });

/** The number that somebody typed: "1,234.5" and "1234,5" alike; NaN where it is none. A lone separator is the decimal one, unless it groups thousands here. */
export function numberIn(text) {
  const signs = text.replace(/[\s\u00a0\u202f'’]/g, "").replace("−", "-");
  if (grouped.test(signs)) return Number(signs.replaceAll(GROUP, "").replace(DECIMAL, "."));
  return single.test(signs) ? Number(signs.replace(",", ".")) : NaN;
}

/** A number to be typed over: without groups, in so many decimals. */
export function toType(value, digits) {
  return new Intl.NumberFormat(undefined, { useGrouping: false, minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
}

/** A number that somebody typed, to be read: all its digits, and none that a sum of doubles made. */
export function typed(value) {
  return plainFormat.format(Number(value.toPrecision(MOST_DIGITS)));
}

function pattern(source) {
  return new RegExp(`^${source.replace("G", escaped(GROUP)).replace("D", escaped(DECIMAL))}$`);
}

function escaped(sign) {
  return sign === "." ? "\\." : sign;
}
