// The form that makes an alert.

import { makeAlert, targets, tryTarget } from "./alert-list.js";
import { alertFields, condition, CONDITIONS, fieldOf, REPEATS } from "./alert-words.js";
import { ErrorOf, Field } from "../parts/fields.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "../base/html.js";
import { useQuote } from "../parts/quote-of.js";
import { chosen, isOnline } from "../session/state.js";
import { SymbolField } from "../parts/symbol-field.js";
import { toType } from "../figures/typed-numbers.js";
import { Unfit } from "../figures/unfit.js";
import { zoneHere } from "../figures/zone-here.js";

const PERCENT_TO_BEGIN_WITH = "5";

/** `wanted` is {symbol} of the alert that somebody has asked for, another object each time. */
export function AlertForm({ wanted }) {
  const form = useRef(null);
  const isValueTyped = useRef(false);
  const [symbol, setSymbol] = useState(wanted.symbol || chosen.value || "");
  const [key, setKey] = useState(CONDITIONS[0].key);
  const [repeat, setRepeat] = useState("once");
  const [isQuiet, setQuiet] = useState(false);
  const [wrong, setWrong] = useState({ field: null, message: "" });
  const [made, setMade] = useState("");
  // The button is not disabled meanwhile: the browser would take the keyboard from it.
  const [isBusy, setBusy] = useState(false);
  const quote = useQuote(symbol, (message) => setWrong({ field: "symbol", message }));
  const { when, unit } = CONDITIONS.find((each) => each.key === key);
  const zone = zoneHere();

  useEffect(() => {
    if (!wanted.symbol) return;
    form.current.elements.symbol.value = wanted.symbol;
    isValueTyped.current = false;
    setSymbol(wanted.symbol);
    setMade("");
    form.current.elements.condition.focus();
  }, [wanted]);

  const start = unit === "price" ? (quote ? toType(quote.price, quote.digits) : "") : unit === "percent" ? PERCENT_TO_BEGIN_WITH : "";
  // Before the browser takes another key: after it, what is typed at once would stand behind this value.
  useLayoutEffect(() => {
    if (!isValueTyped.current) form.current.elements.value.value = start;
  }, [symbol, unit, Boolean(quote)]);

  const submit = async (event) => {
    event.preventDefault();
    if (isBusy) return;
    const { elements } = form.current;
    const text = (name) => elements[name]?.value ?? "";
    setWrong({ field: null, message: "" });
    setMade("");
    setBusy(true);
    try {
      const fields = alertFields({
        symbol: text("symbol"), condition: key, value: text("value"), minutes: text("minutes"), repeat, cooldown: text("cooldown"),
        isQuiet, quietFrom: text("quiet"), quietTo: text("quiet-to"), timezone: zone,
        targets: [...form.current.querySelectorAll("[name=target]:checked")].map((box) => box.value),
      });
      const alert = await makeAlert(fields);
      setMade(`The alert is set: ${alert.symbol} ${condition(alert)}.`);
      isValueTyped.current = false;
    } catch (error) {
      const field = error instanceof Unfit ? error.field : fieldOf(error);
      setWrong({ field, message: error.message });
      (elements[field] ?? elements.submit).focus?.();
    } finally {
      setBusy(false);
    }
  };

  const typedSymbol = (text) => {
    isValueTyped.current = false;
    setWrong({ field: null, message: "" });
    setSymbol(text);
  };
  const field = (name, label, input) => html`<${Field} id=${`alert-${name}`} name=${name} label=${label} wrong=${wrong} input=${input} />`;
  return html`
    <form class="view-part fields" ref=${form} onSubmit=${submit} novalidate aria-labelledby="alert-form-title" autocomplete="off">
      <h2 id="alert-form-title">Tell me when</h2>
      <${SymbolField} form="alert" symbol=${symbol} quote=${quote} typed=${typedSymbol} wrong=${wrong} />
      ${field("condition", "Condition", { tag: "select", value: key, onChange: (event) => { isValueTyped.current = false; setKey(event.target.value); }, children: CONDITIONS.map((each) => html`<option key=${each.key} value=${each.key}>${each.label}</option>`) })}
      ${field("value", { price: `Price${quote?.currency ? ` in ${quote.currency}` : ""}`, percent: "Percent", pieces: "Pieces" }[unit], { tag: "input", inputmode: "decimal", onInput: () => { isValueTyped.current = true; } })}
      ${when === "percent_within" && field("minutes", "Within minutes", { tag: "input", inputmode: "numeric", defaultValue: "15" })}
      ${field("repeat", "How often", { tag: "select", value: repeat, onChange: (event) => setRepeat(event.target.value), children: REPEATS.map((each) => html`<option key=${each.key} value=${each.key}>${each.label}</option>`) })}
      ${repeat === "every" && field("cooldown", "At most every … minutes", { tag: "input", inputmode: "decimal", defaultValue: "5" })}
      <fieldset class="wide-field">
        <legend>Quiet hours</legend>
        <label class="check"><input type="checkbox" name="is-quiet" checked=${isQuiet} onChange=${(event) => setQuiet(event.target.checked)} /> In some hours, tell me later</label>
        ${isQuiet && html`
          <div class="times">
            <label>from <input type="time" name="quiet" defaultValue="22:00" aria-describedby="alert-quiet-error" /></label>
            <label>to <input type="time" name="quiet-to" defaultValue="07:00" aria-describedby="alert-quiet-error" /></label>
            <span class="quiet-note">${zone}</span>
          </div>`}
        <${ErrorOf} id="alert-quiet" name="quiet" wrong=${wrong} />
      </fieldset>
      <${Targets} wrong=${wrong} />
      <div class="form-foot">
        <button class="primary" type="submit" name="submit" disabled=${!isOnline.value}>${isBusy ? "Setting …" : "Set the alert"}</button>
        <${ErrorOf} id="alert-form" name=${null} wrong=${wrong} />
        <p class="done-note" role="status">${made}</p>
      </div>
    </form>`;
}

function Targets({ wrong }) {
  const [told, setTold] = useState({});
  const names = targets.value;
  if (!names.length) return null;
  const attempt = async (name) => {
    setTold({ ...told, [name]: { message: "Trying …" } });
    const outcome = await tryTarget(name);
    setTold((before) => ({ ...before, [name]: outcome }));
  };
  return html`
    <fieldset class="wide-field">
      <legend>Tell also</legend>
      <ul class="targets">
        ${names.map((name) => html`
          <li key=${name}>
            <label class="check"><input type="checkbox" name="target" value=${name} /> <span dir="auto">${name}</span></label>
            <button type="button" class="chip" onClick=${() => attempt(name)} aria-label=${`Try ${name}`}>Try</button>
            <span role="status" class=${told[name]?.delivered === false ? "field-error" : "quiet-note"} dir="auto">${told[name]?.message ?? ""}</span>
          </li>`)}
      </ul>
      <${ErrorOf} id="alert-targets" name="targets" wrong=${wrong} />
    </fieldset>`;
}
