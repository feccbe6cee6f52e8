// Shows the alerts that fired in the corner of the page, above the other notices.

import { show } from "../session/besides.js";
import { dismiss, dismissAll, isHeld, more, toasts } from "./fired.js";
import * as format from "../figures/format.js";
import { html, useRef } from "../base/html.js";
import { Bell, Cross } from "../base/icons.js";
import { serverNow } from "../session/state.js";
import { open } from "../session/places.js";

const OLD_MS = 60_000;

export function Toasts() {
  const shown = toasts.value;
  const hold = (isOn) => () => {
    isHeld.value = isOn;
  };
  const region = useRef(null);
  const cameFrom = useRef(null);
  const entered = ({ relatedTarget }) => {
    isHeld.value = true;
    if (relatedTarget && !region.current.contains(relatedTarget)) cameFrom.current = relatedTarget;
  };
  // The keyboard goes on with the next toast, or where it was before; a pointer needs no help.
  const goOn = (event) => {
    if (event.detail === 0) setTimeout(() => (region.current?.querySelector(".toast .quiet") ?? cameFrom.current)?.focus());
  };
  // The region stands before there is anything in it: what comes into it is read aloud.
  return html`
    <section class="toasts" ref=${region} aria-label="Alerts that fired" onPointerEnter=${hold(true)} onPointerLeave=${hold(false)} onFocusIn=${entered} onFocusOut=${hold(false)}>
      ${more.value > 0 && html`
        <div class="toast more">
          <span role="status">${more.value} more fired.</span>
          <button type="button" onClick=${() => { dismissAll(); open("alerts"); document.getElementById("view-title")?.focus(); }}>See all</button>
          <button type="button" onClick=${(event) => { dismissAll(); goOn(event); }}>Close all</button>
        </div>`}
      ${[...shown].reverse().map((toast) => html`<${Toast} key=${toast.id} toast=${toast} goOn=${goOn} />`)}
    </section>`;
}

function Toast({ toast: { id, symbol, message, at }, goOn }) {
  const ageMs = at === undefined ? 0 : serverNow() - at;
  const showIt = (event) => {
    dismiss(id);
    show(symbol);
    if (event.detail === 0) setTimeout(() => document.getElementById("panel-title")?.focus());
  };
  return html`
    <div class="toast" data-toast=${symbol}>
      <${Bell} />
      <p role="alert"><span class="unseen">Alert: </span><span dir="auto">${message}</span>${ageMs > OLD_MS && html` <span class="quiet-note">${format.age(ageMs, at)}</span>`}</p>
      ${symbol !== undefined && html`<button type="button" onClick=${showIt} aria-label=${`Show ${symbol}`}>Show</button>`}
      <button type="button" class="quiet" aria-label="Close" onClick=${(event) => { dismiss(id); goOn(event); }}><${Cross} /></button>
    </div>`;
}
