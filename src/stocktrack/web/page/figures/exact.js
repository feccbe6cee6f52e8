// Money without the noise of doubles: decimal numbers that are exact, until they are rounded once to be shown.

const ONE = 1n;
const TEN = 10n;

/** A decimal number: `units` of 10^-`places`. */
class Exact {
  constructor(units, places) {
    this.units = units;
    this.places = places;
  }

  plus(other) {
    const places = Math.max(this.places, other.places);
    return new Exact(this.#at(places) + other.#at(places), places);
  }

  minus(other) {
    return this.plus(new Exact(-other.units, other.places));
  }

  times(other) {
    return new Exact(this.units * other.units, this.places + other.places);
  }

  abs() {
    return this.units < 0n ? new Exact(-this.units, this.places) : this;
  }

  /** -1, 0 or 1. */
  get sign() {
    if (this.units === 0n) return 0;
    return this.units > 0n ? 1 : -1;
  }

  /** The nearest number of so many decimals; halves go away from zero, as at the server. */
  rounded(digits) {
    if (this.places <= digits) return asNumber(this.units, this.places);
    return asNumber(divided(this.units, TEN ** BigInt(this.places - digits)), digits);
  }

  /** What percent this is of `whole`, to two decimals; undefined of nothing. */
  percentOf(whole) {
    if (whole.sign === 0) return undefined;
    const places = Math.max(this.places, whole.places);
    return asNumber(divided(this.#at(places) * 10_000n, whole.#at(places)), 2);
  }

  #at(places) {
    return this.units * TEN ** BigInt(places - this.places);
  }
}

/** A number as the decimal that it is written as: 0.1 is a tenth. */
export function exact(value) {
  const [digits, exponent = "0"] = String(value).split("e");
  const [whole, fraction = ""] = digits.split(".");
  const places = fraction.length - Number(exponent);
  const units = BigInt(whole + fraction);
  return places >= 0 ? new Exact(units, places) : new Exact(units * TEN ** BigInt(-places), 0);
}

export const NOTHING = new Exact(0n, 0);

function divided(units, by) {
  const isNegative = units < 0n !== by < 0n;
  const [above, below] = [units < 0n ? -units : units, by < 0n ? -by : by];
  const whole = above / below + ((above % below) * 2n >= below ? ONE : 0n);
  return isNegative ? -whole : whole;
}

function asNumber(units, places) {
  const text = String(units < 0n ? -units : units).padStart(places + 1, "0");
  const value = Number(places === 0 ? text : `${text.slice(0, -places)}.${text.slice(-places)}`);
  // What is rounded to nothing has no sign.
  return units < 0n && value !== 0 ? -value : value;
}
