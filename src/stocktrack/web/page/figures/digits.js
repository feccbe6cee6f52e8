// How many decimals the prices of a symbol are shown with. The terminal does the same (`price_digits` in quotes.py), and
// one table of cases holds the two together.

/** The decimals of a symbol whose PRICE names none, and the fewest where its source names none. */
const ASSUMED_HINT = 2;
const MOST_DECIMALS = 20;
// How many digits of a price are shown at least, and at most where no hint says how many decimals.
const LEAST_DIGITS = 3;
const LEAST_DIGITS_BELOW_ONE = 4;
const MOST_DIGITS_UNHINTED = 6;

/** The decimals for all prices of a PRICE, or of a whole quote. */
export function shownDigits(quote) {
  if (quote.type === "PRICE") return priceDigits(quote.price, quote.price_hint ?? ASSUMED_HINT);
  return priceDigits(quote.price, quote.price_hint, [quote.previous_close, quote.bid, quote.ask]);
}

/**
 * As many as the hint says, and more where so few would not tell the price. Without a hint as many as the price and the
 * `others` beside it were given with, at least two, and no more than make six digits of the price.
 */
export function priceDigits(price, hint, others = []) {
  // Most prices, and two thousand of them may come in a second: two decimals tell whatever is above one.
  if (hint >= LEAST_DIGITS - 1 && Math.abs(price) >= 1) return Math.min(hint, MOST_DECIMALS);
  const { has, first } = looked(price);
  let digits = hint;
  if (digits === undefined) {
    const most = Math.max(has, ...others.filter((other) => other !== undefined).map(decimals));
    digits = Math.max(ASSUMED_HINT, Math.min(most, first + MOST_DIGITS_UNHINTED - 1));
  }
  const least = first + (first > 0 ? LEAST_DIGITS_BELOW_ONE : LEAST_DIGITS) - 1;
  return Math.min(Math.max(digits, Math.min(has, least)), MOST_DECIMALS);
}

/** How many decimals a number was given with. The error at the end of a sum of doubles is no decimal. */
export function decimals(value) {
  return looked(value).has;
}

/** The decimals of a number, and which of them is its first digit: the fifth of 0.00001234. Ten digits are looked at. */
function looked(value) {
  const [digits, exponent] = value.toExponential(9).split("e");
  const first = -Number(exponent);
  return { has: Math.max(0, digits.replace(/0+$/, "").split(".")[1].length + first), first };
}
