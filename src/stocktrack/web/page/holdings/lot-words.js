// What a person filled in as an ADD_LOT. It knows no elements and asks nobody.

import { fieldNamed, numberOf, symbolOf } from "../figures/unfit.js";

/** The fields of an ADD_LOT by a filled-in form: {symbol, isSale, quantity, cost, fees, group}, texts but for `isSale`. */
export function lotFields(form) {
  const symbol = symbolOf(form);
  const quantity = numberOf(form, "quantity", "How many? For example 10.");
  const fields = { symbol, quantity: form.isSale ? -Math.abs(quantity) : quantity, unit_cost: numberOf(form, "cost", "At which price? For example 146.") };
  if (form.fees.trim()) fields.fixed_cost = numberOf(form, "fees", "");
  if (form.group.trim()) fields.group = form.group.trim();
  return fields;
}

const FIELDS = { symbol: "symbol", quantity: "quantity", unit_cost: "cost", fixed_cost: "fees", group: "group" };

/** Which field of the form a Failure is about, by what it names; null where it is about none of them. */
export function lotFieldOf(failure) {
  return fieldNamed(failure, FIELDS);
}
