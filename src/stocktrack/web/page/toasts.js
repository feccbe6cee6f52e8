// Shows the alerts that fired in the corner of the page, above the other notices.

import { show } from "./besides.js";
import { dismiss, dismissAll, isHeld, more, toasts } from "./fired.js";
import * as format from "./format.js";
import { html } from "./html.js";
import { Bell } from "./icons.js";
import { serverNow } from "./state.js";
import { open } from "./views.js";

const OLD_MS = 60_000;

export function Toasts() {
  const shown = toasts.value;
  const hold = (isOn) => () => {
    isHeld.value = isOn;
  };
  // The region stands before there is anything in it: what comes into it is read aloud.
  return html`
    <section class="toasts" aria-label="Alerts that fired" onPointerEnter=${hold(true)} onPointerLeave=${hold(false)} onFocusIn=${hold(true)} onFocusOut=${hold(false)}>
      ${more.value > 0 && html`
        <div class="toast more">
          <span role="status">${more.value} more fired.</span>
          <button type="button" onClick=${() => { dismissAll(); open("alerts"); }}>See all</button>
          <button type="button" onClick=${dismissAll}>Close all</button>
        </div>`}
      ${[...shown].reverse().map((toast) => html`<${Toast} key=${toast.id} toast=${toast} />`)}
    </section>`;
}

function Toast({ toast: { id, symbol, message, at } }) {
  const ageMs = at === undefined ? 0 : serverNow() - at;
  return html`
    <div class="toast" data-toast=${symbol}>
      <${Bell} />
      <p role="alert"><span class="unseen">Alert: </span><span dir="auto">${message}</span>${ageMs > OLD_MS && html` <span class="quiet-note">${format.age(ageMs, at)}</span>`}</p>
      ${symbol !== undefined && html`<button type="button" onClick=${() => { dismiss(id); show(symbol); }} aria-label=${`Show ${symbol}`}>Show</button>`}
      <button type="button" class="quiet" aria-label="Close" onClick=${() => dismiss(id)}><svg viewBox="0 0 16 16" aria-hidden="true"><path d="M4 4l8 8M12 4l-8 8" /></svg></button>
    </div>`;
}
