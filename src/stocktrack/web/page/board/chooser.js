// The window in which columns are chosen and ordered, and how close the rows stand.

import { html, useEffect, useRef } from "../base/html.js";
import { announce } from "../session/notices.js";
import { choice, chooseDensity, moveColumn, resetChoice, wantColumn } from "./choice.js";
import { COLUMN } from "./columns.js";
import { shown } from "./layout.js";

const DENSITIES = [["compact", "Compact"], ["comfortable", "Comfortable"]];

export function Chooser({ close }) {
  const dialog = useRef(null);
  useEffect(() => {
    const opener = document.activeElement;
    dialog.current.showModal();
    return () => opener?.focus?.();
  }, []);
  const { order } = choice.value;
  const move = (key, step) => {
    const place = order.indexOf(key);
    if (place + step < 0 || place + step >= order.length) return;
    moveColumn(key, step < 0 ? order[place - 1] : (order[place + 2] ?? null));
    announce(`${COLUMN.get(key).label}: ${place + step + 1} of ${order.length}.`);
  };
  return html`
    <dialog class="columns" ref=${dialog} aria-labelledby="columns-title" onClose=${close} onClick=${(event) => event.target === dialog.current && dialog.current.close()}>
      <h2 id="columns-title">Columns</h2>
      <p class="quiet-note">Alt with ↑ or ↓ moves a column; so does dragging its heading. Who ticks nothing sees as many as have room.</p>
      <ul>${order.map((key) => html`<${Line} key=${key} column=${COLUMN.get(key)} move=${(step) => move(key, step)} />`)}</ul>
      <fieldset>
        <legend>Rows</legend>
        ${DENSITIES.map(([name, label]) => html`<label class="pick-density"><input type="radio" name="density" checked=${densityNow() === name} onChange=${() => chooseDensity(name)} /> ${label}</label>`)}
      </fieldset>
      <form method="dialog" class="columns-foot">
        <button type="button" class="plain" onClick=${resetChoice}>Reset</button>
        <button class="primary">Done</button>
      </form>
    </dialog>`;
}

function densityNow() {
  return choice.value.density ?? shown.value.form;
}

function Line({ column, move }) {
  const { key, label, rank } = column;
  const { pinned, hidden } = choice.value;
  const { columns, under } = shown.value;
  const isShown = columns.includes(column) || under.includes(column);
  const isPinned = pinned.includes(key);
  // The choice first: the layout follows it with the next frame.
  const isWanted = isPinned || (isShown && !hidden.includes(key));
  const onKeyDown = (event) => {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!event.altKey || step === undefined) return;
    event.preventDefault();
    const box = event.currentTarget;
    move(step);
    // An element that is moved in the document loses the focus.
    setTimeout(() => box.focus());
  };
  return html`
    <li data-column=${key}>
      <label>
        <input type="checkbox" checked=${isWanted} disabled=${rank === 0} onChange=${(event) => wantColumn(key, event.currentTarget.checked)} onKeyDown=${onKeyDown} />
        <span>${label} ${isPinned && !isShown && html`<span class="quiet-note">no room at this width</span>`}</span>
      </label>
      <button type="button" class="quiet" aria-label=${`Move ${label} up`} title="Up" onClick=${() => move(-1)}><svg viewBox="0 0 16 16" aria-hidden="true"><path d="M4 10l4-4 4 4" /></svg></button>
      <button type="button" class="quiet" aria-label=${`Move ${label} down`} title="Down" onClick=${() => move(1)}><svg viewBox="0 0 16 16" aria-hidden="true"><path d="M4 6l4 4 4-4" /></svg></button>
    </li>`;
}
