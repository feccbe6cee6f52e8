// The form that keeps a lot: what was bought, or sold.

import { ErrorOf, Field } from "../parts/fields.js";
import { addLot, holdings } from "./holding-list.js";
import { html, useRef, useState } from "../base/html.js";
import { lotFields, lotFieldOf } from "./lot-words.js";
import { useQuote } from "../parts/quote-of.js";
import { chosen, isOnline } from "../session/state.js";
import { SymbolField } from "../parts/symbol-field.js";
import { typed } from "../figures/typed-numbers.js";
import { Unfit } from "../figures/unfit.js";

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
    const sent = { quantity: elements.quantity.value, cost: elements.cost.value, fees: elements.fees.value };
    setWrong({ field: null, message: "" });
    setMade("");
    setBusy(true);
    try {
      const added = await addLot(lotFields({
        ...sent, symbol: elements.symbol.value, isSale: elements.side.value === "sold", group: elements.group.value,
      }));
      setMade(`${added.quantity < 0 ? "Sold" : "Bought"}: ${typed(Math.abs(added.quantity))} ${added.symbol} at ${typed(added.unit_cost)}.`);
      // Who types the next lot before the answer is here keeps what is typed, and the keyboard.
      const isTypingOn = Object.entries(sent).some(([name, value]) => elements[name].value !== value);
      if (!isTypingOn) {
        for (const name of Object.keys(sent)) elements[name].value = "";
        elements.quantity.focus();
      }
    } catch (error) {
      const field = error instanceof Unfit ? error.field : lotFieldOf(error);
      setWrong({ field, message: error.message });
      (elements[field] ?? elements.submit).focus();
    } finally {
      setBusy(false);
    }
  };

  const typedSymbol = (text) => {
    setWrong({ field: null, message: "" });
    setSymbol(text);
  };
  const field = (name, label, input, hint) => html`<${Field} id=${`lot-${name}`} name=${name} label=${label} wrong=${wrong} hint=${hint} input=${input} />`;
  return html`
    <form class="view-part fields" ref=${form} onSubmit=${submit} novalidate aria-labelledby="lot-form-title" autocomplete="off">
      <h2 id="lot-form-title">Add a lot</h2>
      <${SymbolField} form="lot" symbol=${symbol} quote=${quote} typed=${typedSymbol} wrong=${wrong} />
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
