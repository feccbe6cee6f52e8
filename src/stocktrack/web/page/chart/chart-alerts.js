// The alerts of the stock in its chart: a button at the crosshair that sets one there, a form that says its price, and
// the list of those there are, by which each can be moved or taken out without a pointer.

import { alerts, makeAlert, readAlerts, removeAlert, trouble } from "../alerts/alert-list.js";
import { condition, stateWord } from "../alerts/alert-words.js";
import { alertAt, alertMoved, priceAlertsOf, priceShown, wayOf, whyNoAlertAt } from "../alerts/price-alerts.js";
import { AlertLines } from "./alert-lines.js";
import { html, useEffect, useRef, useState } from "../base/html.js";
import { Bell, Cross } from "../base/icons.js";
import { everySeconds } from "../base/painter.js";
import * as format from "../figures/format.js";
import { numberIn, toType } from "../figures/typed-numbers.js";
import { announce, notify } from "../session/notices.js";
import { isOnline, unseenAlerts } from "../session/state.js";

// What another client makes or takes out is seen here as well.
const READ_EVERY_SECONDS = 30;

/** `stage` is the ChartStage, over which the button at the crosshair stands. */
export function ChartAlerts({ stock, stage }) {
  const { symbol } = stock;
  const isReady = isOnline.value;
  const fired = unseenAlerts.value;
  const [pointed, setPointed] = useState(null);
  const [asked, setAsked] = useState(null);
  const opener = useRef(null);
  const leaving = useRef(new Set());
  const own = priceAlertsOf(alerts.value, symbol);
  const current = useRef({});

  useEffect(() => {
    if (!isReady) return undefined;
    readAlerts();
    return everySeconds(READ_EVERY_SECONDS, readAlerts);
  }, [isReady, fired]);

  current.current.moved = async (name, value) => {
    const alert = alerts.value?.find((each) => each.alert === name);
    if (alert) await move(alert, value).catch((error) => notify(error.message, { kind: "bad" }));
  };
  useEffect(() => stage.decorate((library, view, element) => {
    const lines = new AlertLines({ library, view, stage: element, stock, tell: setPointed, moved: (...change) => current.current.moved(...change) });
    current.current.lines = lines;
    lines.show(priceAlertsOf(alerts.value, symbol));
    return lines;
  }), [stock, stage]);
  useEffect(() => current.current.lines?.show(own), [alerts.value, stock]);

  const set = async (value) => {
    const why = whyNoAlertAt(value, stock.quote?.price);
    if (why) throw new Error(why);
    const alert = await makeAlert(alertAt(symbol, value, stock.quote.price));
    const undo = () => removeAlert(alert.alert).catch((error) => notify(error.message, { kind: "bad" }));
    notify(`The alert is set: ${symbol} ${condition(alert)}.`, { kind: "good", action: { label: "Undo", run: undo } });
  };
  const move = async (alert, value) => {
    if (value === alert.value && alert.state === "armed") return;
    const why = whyNoAlertAt(value, stock.quote?.price);
    if (why) throw new Error(why);
    // In one command: where it is refused the old one stays, and whoever has as many as allowed can move them as well.
    const made = await makeAlert({ ...alertMoved(alert, value, stock.quote.price), replaces: alert.alert }).catch((error) => {
      // Another client has taken it out meanwhile.
      if (error.reason === "unknown_alert") readAlerts();
      throw error;
    });
    notify(`The alert is moved: ${symbol} ${condition(made)}.`, { kind: "good" });
  };
  const take = async (alert) => {
    if (leaving.current.has(alert.alert)) return; // pressed twice
    leaving.current.add(alert.alert);
    try {
      await removeAlert(alert.alert);
      const again = () => makeAlert(alertMoved(alert, alert.value, stock.quote?.price ?? alert.value)).catch((error) => notify(error.message, { kind: "bad" }));
      notify(`The alert “${symbol} ${condition(alert)}” is taken out.`, { action: { label: "Undo", run: again } });
      opener.current?.focus();
    } catch (error) {
      leaving.current.delete(alert.alert);
      notify(error.message, { kind: "bad" });
    }
  };
  const begin = (alert) => {
    const value = alert?.value ?? stage.crosshairPrice ?? stock.quote?.price;
    setAsked({ alert, text: value === undefined ? "" : toType(priceShown(value, stock.digits), stock.digits) });
  };
  useEffect(() => stage.onEnter(() => begin()), [stock, stage]);

  // Where the server has no alerts, or gives none to this user, there is nothing to set; the bell says why.
  if (alerts.value === null) return trouble.value ? html`<p class="quiet-note chart-alerts-note">Alerts: ${trouble.value}</p>` : null;
  const pointedAlert = pointed?.alert && own.find(({ alert }) => alert === pointed.alert);
  const press = () => {
    if (pointedAlert) take(pointedAlert);
    else set(pointed.value).catch((error) => notify(error.message, { kind: "bad" }));
    setPointed(null);
  };
  const at = pointed && format.price(pointed.value, stock.digits);
  return html`
    ${pointed && html`
      <${AtCrosshair} pointed=${pointed} label=${pointedAlert ? `Take out the alert at ${at}` : `Set an alert at ${at}`} text=${at} isThere=${Boolean(pointedAlert)} press=${press} stage=${stage} leave=${() => setPointed(null)} />`}
    <div class="chart-alerts">
      <button type="button" class="chip" ref=${opener} aria-expanded=${asked ? "true" : "false"} onClick=${() => (asked ? setAsked(null) : begin())}><${Bell} />Set alert</button>
      ${own.length > 0 && html`
        <ul aria-label=${`Alerts at a price of ${symbol}`}>
          ${own.map((alert) => html`
            <li key=${alert.alert} data-chart-alert=${alert.alert} data-state=${alert.state}>
              <span>${wayOf(alert)} <b>${format.price(alert.value, stock.digits)}</b>${alert.state === "armed" ? "" : html` <span class="state">${stateWord(alert.state)}</span>`}</span>
              <button type="button" aria-label=${`Move the alert at ${format.price(alert.value, stock.digits)}`} title="Move to another price" onClick=${() => begin(alert)}>Move</button>
              <button type="button" class="quiet" aria-label=${`Take out the alert at ${format.price(alert.value, stock.digits)}`} title="Take out" onClick=${() => take(alert)}><${Cross} /></button>
            </li>`)}
        </ul>`}
      ${asked && html`<${AlertPrice} key=${asked.alert?.alert ?? "new"} asked=${asked} stock=${stock} set=${set} move=${move} end=${() => { setAsked(null); opener.current?.focus(); }} />`}
    </div>`;
}

/** The button beside the axis, at the height that somebody points at. */
function AtCrosshair({ pointed, label, text, isThere, press, stage, leave }) {
  const { top, axisWidth } = stage.place;
  return html`
    <button type="button" class=${`at-crosshair ${isThere ? "is-there" : ""}`} tabindex="-1" aria-label=${label} title=${label}
            style=${{ top: `${top + pointed.y}px`, right: `${axisWidth}px` }} onClick=${press}
            onPointerLeave=${({ relatedTarget, pointerType }) => pointerType === "touch" || stage.isAround(relatedTarget) || leave()}>${isThere ? "×" : "+"} <span>${text}</span></button>`;
}

/** The form that says at which price. */
function AlertPrice({ asked, stock, set, move, end }) {
  const field = useRef(null);
  const isBusy = useRef(false);
  const [wrong, setWrong] = useState("");
  const [value, setValue] = useState(numberIn(asked.text));
  useEffect(() => field.current.select(), []);
  const now = stock.quote?.price;
  const way = Number.isNaN(value) || now === undefined || value === now ? "" : value > now ? "when it rises above" : "when it falls below";
  const submit = async (event) => {
    event.preventDefault();
    if (isBusy.current) return; // the first press is under way
    const wanted = numberIn(field.current.value);
    const why = Number.isNaN(wanted) ? `“${field.current.value.trim()}” is no price. For example ${toType(now ?? 200, stock.digits)}.` : whyNoAlertAt(wanted, now);
    setWrong(why);
    if (why) {
      announce(why);
      return;
    }
    isBusy.current = true;
    try {
      await (asked.alert ? move(asked.alert, wanted) : set(wanted));
      end();
    } catch (error) {
      setWrong(error.message);
    } finally {
      isBusy.current = false;
    }
  };
  const keys = (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    end();
  };
  return html`
    <form class="alert-price" onSubmit=${submit} onKeyDown=${keys} novalidate autocomplete="off">
      <label for="alert-price">${asked.alert ? "Move the alert to" : "Tell me at"}</label>
      <input id="alert-price" ref=${field} inputmode="decimal" defaultValue=${asked.text} aria-invalid=${wrong ? "true" : "false"} aria-describedby="alert-price-way alert-price-error"
             onInput=${(event) => { setValue(numberIn(event.target.value)); setWrong(""); }} />
      <button type="submit" class="primary">${asked.alert ? "Move" : "Set"}</button>
      <button type="button" class="plain" onClick=${end}>Cancel</button>
      <span id="alert-price-way" class="quiet-note">${way}</span>
      <span id="alert-price-error" class="field-error" role="alert">${wrong}</span>
    </form>`;
}
