// What is filled into a form and cannot be sent: which field, and what is wrong with it.

import { numberIn } from "./typed-numbers.js";

export class Unfit extends Error {
  constructor(field, message) {
    super(message);
    this.field = field;
  }
}

/** The number in a field of a form of texts; an Unfit where it is none, with `wanted` where there is nothing. */
export function numberOf(form, field, wanted) {
  const text = form[field].trim();
  if (!text) throw new Unfit(field, wanted);
  const value = numberIn(text);
  if (Number.isNaN(value)) throw new Unfit(field, `“${text}” is no number.`);
  return value;
}
