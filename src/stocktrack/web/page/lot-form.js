// The form that keeps a lot: what was bought, or sold.

import { ErrorOf, Field } from "./fields.js";
import * as format from "./format.js";
import { addLot, holdings } from "./holding-list.js";
import { html, useRef, useState } from "./html.js";
import { lotFields, lotFieldOf } from "./lot-words.js";
import { useQuote } from "./quote-of.js";
import { chosen, isOnline, stocks } from "./state.js";
import { typed } from "./typed-numbers.js";
import { Unfit } from "./unfit.js";

export function LotForm() {
  const form = useRef(null);
  const [symbol, setSymbol] = useState(chosen.value ?? "");
  const [wrong, setWrong] = useState({ field: null, message: "" });
  const [made, setMade] = useState("");
  // The button is not disabled meanwhile: the browser would take the keyboard from it.
  const [isBusy, setBusy] = useState(false);
  const quote = useQuote(symbol, (message) => setWrong({ field: "symbol", message }));
  const groups = holdings.value?.groups ?? [];

  const submit = async (event) => {
    event.preventDefault();
    if (isBusy) return;
    const { elements } = form.current;
    setWrong({ field: null, message: "" });
    setMade("");
    setBusy(true);
    try {
      const added = await addLot(lotFields({
        symbol: elements.symbol.value, isSale: elements.side.value === "sold", quantity: elements.quantity.value,
        cost: elements.cost.value, fees: elements.fees.value, group: elements.group.value,
      }));
      setMade(`${added.quantity < 0 ? "Sold" : "Bought"}: ${typed(Math.abs(added.quantity))} ${added.symbol} at ${typed(added.unit_cost)}.`);
      for (const name of ["quantity", "cost", "fees"]) elements[name].value = "";
      elements.quantity.focus();
    } catch (error) {
      const field = error instanceof Unfit ? error.field : lotFieldOf(error);
      setWrong({ field, message: error.message });
      (elements[field] ?? elements.submit).focus();
    } finally {
      setBusy(false);
    }
  };

  const typedSymbol = (event) => {
    setWrong({ field: null, message: "" });
    setSymbol(event.target.value.trim().toUpperCase());
  };
  const field = (name, label, input, hint) => html`<${Field} id=${`lot-${name}`} name=${name} label=${label} wrong=${wrong} hint=${hint} input=${input} />`;
  const priced = quote ? `Now ${format.price(quote.price, quote.digits)} ${quote.currency ?? ""}` : "";
  return html`
    <form class="view-part fields" ref=${form} onSubmit=${submit} novalidate aria-labelledby="lot-form-title" autocomplete="off">
      <h2 id="lot-form-title">Add a lot</h2>
      ${field("symbol", "Symbol", { tag: "input", list: "lot-symbols", defaultValue: symbol, onChange: typedSymbol, autocapitalize: "characters", spellcheck: false, maxlength: 48, placeholder: "AAPL" }, priced)}
      <datalist id="lot-symbols">${[...stocks.value.keys()].map((each) => html`<option key=${each} value=${each} />`)}</datalist>
      ${field("side", "Bought or sold", { tag: "select", children: [html`<option value="bought">Bought</option>`, html`<option value="sold">Sold</option>`] })}
      ${field("quantity", "Quantity", { tag: "input", inputmode: "decimal" })}
      ${field("cost", `Price of one${quote?.currency ? ` in ${quote.currency}` : ""}`, { tag: "input", inputmode: "decimal" }, /[a-z]$/.test(quote?.currency ?? "") ? `In ${quote.currency}, as the price is` : "")}
      ${field("fees", "Fees, if any", { tag: "input", inputmode: "decimal" })}
      ${field("group", "Group, if any", { tag: "input", list: "lot-groups", maxlength: 64, placeholder: "main" })}
      <datalist id="lot-groups">${groups.map((each) => html`<option key=${each} value=${each} />`)}</datalist>
      <div class="form-foot">
        <button class="primary" type="submit" name="submit" disabled=${!isOnline.value}>${isBusy ? "Adding …" : "Add the lot"}</button>
        <${ErrorOf} id="lot-form" name=${null} wrong=${wrong} />
        <p class="done-note" role="status">${made}</p>
      </div>
    </form>`;
}
