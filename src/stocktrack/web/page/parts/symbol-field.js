// The field of a form for a symbol: the symbols of the board are offered, and the newest price stands below it.

import { Field } from "./fields.js";
import * as format from "../figures/format.js";
import { html } from "../base/html.js";
import { stocks } from "../session/state.js";

/** `form` begins the ids of the form; `quote` is of quote-of.js; `typed` is called with the symbol, in capitals. */
export function SymbolField({ form, symbol, quote, typed, wrong }) {
  const now = quote ? `Now ${format.price(quote.price, quote.digits)} ${quote.currency ?? ""}` : "";
  const input = {
    tag: "input", list: `${form}-symbols`, defaultValue: symbol, onChange: (event) => typed(event.target.value.trim().toUpperCase()),
    autocapitalize: "characters", spellcheck: false, maxlength: 48, placeholder: "AAPL",
  };
  return html`
    <${Field} id=${`${form}-symbol`} name="symbol" label="Symbol" wrong=${wrong} hint=${now} input=${input} />
    <datalist id=${`${form}-symbols`}>${[...stocks.value.keys()].map((each) => html`<option key=${each} value=${each} />`)}</datalist>`;
}
