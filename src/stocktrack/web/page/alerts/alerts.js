// The alerts of a person: the form that makes one, and the list of those there are.

import { alerts, readAlerts, removeAlert, trouble } from "./alert-list.js";
import { AlertForm } from "./alert-form.js";
import { condition, manner, stateSentence, stateWord } from "./alert-words.js";
import { show } from "../session/besides.js";
import * as format from "../figures/format.js";
import { html, useEffect, useRef, useState } from "../base/html.js";
import { Cross } from "../base/icons.js";
import { NotificationSwitch } from "./notification-switch.js";
import { announce } from "../session/notices.js";
import { everySeconds } from "../base/painter.js";
import { isOnline, serverNow, unseenAlerts } from "../session/state.js";
import { ViewHead } from "../parts/view-head.js";
import { subject } from "../session/places.js";

// What is undelivered changes without a word, and so does what another client makes.
const READ_EVERY_SECONDS = 20;

export function AlertsView() {
  const isReady = isOnline.value;
  // Read, so that what fires is seen at once.
  const fired = unseenAlerts.value;
  useEffect(() => {
    if (!isReady) return undefined;
    readAlerts();
    return everySeconds(READ_EVERY_SECONDS, readAlerts);
  }, [isReady, fired]);
  useEffect(() => {
    // Here they are looked at.
    if (fired && !document.hidden) unseenAlerts.value = 0;
  }, [fired]);
  return html`
    <section class="view" aria-labelledby="view-title">
      <${ViewHead} title="Alerts"><${NotificationSwitch} /><//>
      <${AlertForm} wanted=${subject.value} />
      <${AlertList} />
    </section>`;
}

function AlertList() {
  const [only, setOnly] = useState("");
  const list = useRef(null);
  const all = alerts.value;
  const symbols = [...new Set((all ?? []).map(({ symbol }) => symbol))].sort();
  const shown = symbols.includes(only) ? all.filter(({ symbol }) => symbol === only) : all;
  const [error, setError] = useState("");

  const remove = async (alert) => {
    const place = shown.indexOf(alert);
    setError("");
    try {
      await removeAlert(alert.alert);
      announce(`The alert “${alert.symbol} ${condition(alert)}” is taken out.`);
      // The keyboard goes on with the one that takes its place.
      const buttons = () => list.current?.querySelectorAll("[data-remove]") ?? [];
      setTimeout(() => (buttons()[Math.min(place, buttons().length - 1)] ?? document.getElementById("view-title"))?.focus());
    } catch (failure) {
      setError(failure.message);
    }
  };

  return html`
    <div class="view-part">
      <div class="view-row">
        <h2>Your alerts${all?.length ? html` <span class="count">${all.length}</span>` : ""}</h2>
        ${symbols.length > 1 && html`
          <label class="inline">Show <select value=${shown === all ? "" : only} onChange=${(event) => setOnly(event.target.value)}>
            <option value="">all</option>
            ${symbols.map((symbol) => html`<option key=${symbol} value=${symbol}>${symbol}</option>`)}
          </select></label>`}
      </div>
      <p class="field-error" role="alert">${error || trouble.value}</p>
      ${all === null && !trouble.value && html`<p class="quiet-note">Loading …</p>`}
      ${all?.length === 0 && html`<p class="quiet-note">You have no alerts yet. The form above makes one.</p>`}
      <ul class="alerts" ref=${list}>
        ${(shown ?? []).map((alert) => html`<${AlertRow} key=${alert.alert} alert=${alert} remove=${remove} />`)}
      </ul>
    </div>`;
}

function AlertRow({ alert, remove }) {
  const { symbol, state, fired_at: firedAt, fired_count: count, message, undelivered, error } = alert;
  const words = condition(alert);
  return html`
    <li data-alert=${alert.alert} data-state=${state}>
      <div class="alert-words">
        <p><button type="button" class="symbol-link" onClick=${() => show(symbol)} title=${`Show ${symbol}`}>${symbol}</button> ${words}</p>
        <p class="quiet-note" dir="auto">${manner(alert)}</p>
        ${firedAt !== undefined && html`
          <p class="fired-note"><span title=${format.dateAndTime(firedAt)}>Fired ${format.age(serverNow() - firedAt, firedAt)}${count > 1 ? `, ${count} times so far` : ""}:</span> <span dir="auto">${message ?? ""}</span></p>`}
        ${state === "disarmed" && html`<p class="trouble-note" dir="auto">${stateSentence(alert)}</p>`}
        ${undelivered > 0 && html`<p class="trouble-note" dir="auto">${undelivered === 1 ? "A message is" : `${undelivered} messages are`} not delivered yet and tried again.${error ? ` ${error}` : ""}</p>`}
      </div>
      <span class="state-word" title=${stateSentence(alert)}>${stateWord(state)}</span>
      <button type="button" class="quiet" data-remove=${alert.alert} aria-label=${`Take out the alert: ${symbol} ${words}`} title="Take out" onClick=${() => remove(alert)}>
        <${Cross} />
      </button>
    </li>`;
}
