// What is filled into a form and cannot be sent, or is refused: which field, and what is wrong with it.

import { numberIn } from "./typed-numbers.js";

export class Unfit extends Error {
  constructor(field, message) {
    super(message);
    this.field = field;
  }
}

/** The symbol of a form of texts; an Unfit where there is none. */
export function symbolOf(form) {
  const symbol = form.symbol.trim().toUpperCase();
  if (!symbol) throw new Unfit("symbol", "Which symbol? For example AAPL.");
  return symbol;
}

/** The number in a field of a form of texts; an Unfit where it is none, with `wanted` where there is nothing. */
export function numberOf(form, field, wanted) {
  const text = form[field].trim();
  if (!text) throw new Unfit(field, wanted);
  const value = numberIn(text);
  if (Number.isNaN(value)) throw new Unfit(field, `“${text}” is no number.`);
  return value;
}

/** Which field of a form a Failure is about, by what it names; `fields` has each by its name in the protocol. Null is none. */
export function fieldNamed({ reason, message }, fields) {
  if (reason === "unknown_symbol" || reason === "not_offered") return "symbol";
  const named = [...message.matchAll(/'(\w+)'/g)].map(([, name]) => fields[name]).find(Boolean);
  return named ?? (/\bsymbol\b/.test(message) ? "symbol" : null);
}
