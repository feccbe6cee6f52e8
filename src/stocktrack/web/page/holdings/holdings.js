// The holdings of a person: what they are worth at the newest prices, their lots, and the form that adds one.

import { show, want } from "../session/besides.js";
import { CURRENCIES } from "../figures/currencies.js";
import * as format from "../figures/format.js";
import { csvOf } from "./holding-csv.js";
import { addLot, currency, group, holdings, readHoldings, removeLot, trouble } from "./holding-list.js";
import { Sheet } from "./holding-view.js";
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../base/html.js";
import { Cross } from "../base/icons.js";
import { LotForm } from "./lot-form.js";
import { notify } from "../session/notices.js";
import { addView, everySeconds } from "../base/painter.js";
import { isOnline, stockOf } from "../session/state.js";
import { typed } from "../figures/typed-numbers.js";
import { ViewHead } from "../parts/view-head.js";

// The rates between currencies are not pushed.
const READ_EVERY_SECONDS = 60;
const NEWS_AFTER_MS = 1_000;
// By then a browser has taken what it was given to download.
const DOWNLOADED_AFTER_MS = 1_000;
const HEADS = [
  ["symbol", "Symbol"], ["quantity", "Quantity"], ["unit-cost", "Unit cost"], ["price", "Price"], ["value", "Value"], ["day", "Day"],
  ["gain", "Gain"], ["weight", "Weight"],
];

export function HoldingsView() {
  const isReady = isOnline.value;
  useEffect(() => {
    if (!isReady) return undefined;
    readHoldings();
    return everySeconds(READ_EVERY_SECONDS, readHoldings);
  }, [isReady, currency.value, group.value]);
  useEffect(() => () => want("holdings", []), []);
  const reply = holdings.value;
  const sheet = useSheet(reply);
  useEffect(() => {
    if (reply) want("holdings", reply.holdings.map(({ symbol }) => symbol));
  }, [reply]);
  return html`
    <section class="view holdings" aria-labelledby="view-title">
      <${ViewHead} title="Holdings"><${Choices} reply=${reply} sheet=${sheet} /><//>
      <p class="field-error view-note" role="alert">${trouble.value}</p>
      ${!reply && !trouble.value && html`<p class="quiet-note view-note">Loading …</p>`}
      ${reply && (reply.holdings.length ? html`<${Table} sheet=${sheet} />` : html`<p class="quiet-note view-note">${group.value ? "There is nothing in this group." : "You hold nothing yet. The form below adds what you have bought."}</p>`)}
      ${reply?.missing.length > 0 && html`
        <div class="view-note missing" role="status">
          <p><b>Not in the total:</b></p>
          <ul>${reply.missing.map(({ symbol, message, reason }) => html`<li key=${symbol} dir="auto">${message ?? `${symbol}: ${format.lackReason(reason)}`}</li>`)}</ul>
        </div>`}
      <${LotForm} />
    </section>`;
}

/** The sheet of a reply; where a price comes for what had none, the server is asked again. */
function useSheet(reply) {
  const timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  return useMemo(() => reply && new Sheet(reply, () => {
    if (timer.current) return;
    timer.current = setTimeout(() => {
      timer.current = 0;
      readHoldings();
    }, NEWS_AFTER_MS);
  }), [reply]);
}

function Choices({ reply, sheet }) {
  const shown = currency.value || reply?.currency || "";
  const own = [...new Set([shown, ...(reply?.holdings ?? []).map((holding) => holding.currency)])].filter((code) => /^[A-Z]{3}$/.test(code ?? "")).sort();
  const others = CURRENCIES.filter((code) => !own.includes(code));
  const groups = reply?.groups ?? [];
  return html`
    ${(groups.length > 1 || group.value) && html`
      <label class="inline">Group <select value=${group.value} onChange=${(event) => { group.value = event.target.value; }}>
        <option value="">all</option>
        ${groups.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
      </select></label>`}
    <label class="inline">Total in <select value=${shown} onChange=${(event) => { currency.value = event.target.value; }}>
      <optgroup label="Yours">${own.map((code) => html`<option key=${code} value=${code}>${code}</option>`)}</optgroup>
      <optgroup label="Others">${others.map((code) => html`<option key=${code} value=${code}>${code}</option>`)}</optgroup>
    </select></label>
    <button type="button" class="chip" disabled=${!reply?.holdings.length} onClick=${() => download(sheet)} title="Download the holdings as CSV">CSV</button>`;
}

function Table({ sheet }) {
  const foot = useRef(null);
  useLayoutEffect(() => {
    sheet.show(foot.current);
    sheet.tick();
    const stop = addView(sheet);
    return () => {
      stop();
      sheet.show(null);
    };
  }, [sheet]);
  return html`
    <div class="table-frame">
      <table role="table" aria-label="Your holdings. Prices change without being read aloud.">
        <thead role="rowgroup"><tr role="row">
          ${HEADS.map(([key, label]) => html`<th key=${key} role="columnheader" scope="col" class=${`h-${key}`}>${label}</th>`)}
          <th role="columnheader" scope="col" class="h-lots">Lots</th>
        </tr></thead>
        <tbody role="rowgroup">
          ${[...sheet.rows.keys()].map((symbol) => html`<${HoldingRow} key=${symbol} symbol=${symbol} sheet=${sheet} stock=${stockOf(symbol)} />`)}
        </tbody>
        <tfoot role="rowgroup"><tr role="row" ref=${foot} class="total">
          <th role="rowheader" scope="row" class="h-symbol">Total in ${sheet.currency}</th>
          <td role="cell" class="h-quantity"></td>
          <td role="cell" class="h-unit-cost"><span class="label">Cost</span><span data-part="cost"></span></td>
          <td role="cell" class="h-price"></td>
          <td role="cell" class="h-value"><span class="label">Value</span><span data-part="value"></span></td>
          <td role="cell" class="h-day"><span class="label">Day</span><span data-part="day"></span><span class="second" data-part="day_percent"></span></td>
          <td role="cell" class="h-gain"><span class="label">Gain</span><span data-part="gain"></span><span class="second" data-part="gain_percent"></span></td>
          <td role="cell" class="h-weight"></td>
          <td role="cell" class="h-lots"></td>
        </tr></tfoot>
      </table>
    </div>`;
}

function HoldingRow({ symbol, sheet, stock }) {
  const element = useRef(null);
  const [isOpen, setOpen] = useState(false);
  const lots = sheet.lotsOf(symbol);
  useLayoutEffect(() => {
    const row = sheet.rows.get(symbol);
    const stop = row.show(element.current, stock);
    row.weigh(sheet.totals);
    return stop;
  }, [sheet, stock]);
  return html`
    <tr role="row" data-holding=${symbol} ref=${element}>
      <th role="rowheader" scope="row" class="h-symbol"><button type="button" class="symbol-link" onClick=${() => show(symbol)} title=${`Show ${symbol}`}>${symbol}</button><span class="second" data-part="name" dir="auto"></span></th>
      <td role="cell" class="h-quantity"><span class="label">Quantity</span><span data-part="quantity"></span></td>
      <td role="cell" class="h-unit-cost"><span class="label">Unit cost</span><span data-part="unit_cost"></span></td>
      <td role="cell" class="h-price"><span class="label">Price</span><span><span class="stale-word">Stale</span> <span data-part="price"></span></span></td>
      <td role="cell" class="h-value"><span class="label">Value</span><span><span data-part="value"></span> <span class="currency" data-part="currency"></span></span><span class="second" data-part="converted"></span></td>
      <td role="cell" class="h-day"><span class="label">Day</span><span data-part="day"></span><span class="second" data-part="day_percent"></span></td>
      <td role="cell" class="h-gain"><span class="label">Gain</span><span data-part="gain"></span><span class="second" data-part="gain_percent"></span></td>
      <td role="cell" class="h-weight"><span class="label">Weight</span><span data-part="weight"></span></td>
      <td role="cell" class="h-lots"><button type="button" class="chip" aria-expanded=${isOpen ? "true" : "false"} aria-label=${`Lots of ${symbol}: ${lots.length}`} onClick=${() => setOpen(!isOpen)}>${lots.length} ${isOpen ? "▴" : "▾"}</button></td>
    </tr>
    ${isOpen && html`<tr role="row" class="lots-row"><td role="cell" colspan="9"><${Lots} symbol=${symbol} lots=${lots} /></td></tr>`}`;
}

function Lots({ symbol, lots }) {
  const remove = async (lot) => {
    try {
      await removeLot(lot.lot);
      document.getElementById("view-title")?.focus();
      notify(`${words(lot)} taken out.`, { action: { label: "Undo", run: () => undo(lot) } });
    } catch (error) {
      notify(error.message, { kind: "bad" });
    }
  };
  return html`
    <ul class="lots" aria-label=${`Lots of ${symbol}`}>
      ${lots.map((lot) => html`
        <li key=${lot.lot} data-lot=${lot.lot}>
          <span>${words(lot)}${lot.fixed_cost ? `, fees ${typed(lot.fixed_cost)}` : ""}</span>
          <span class="quiet-note">${lot.group === "main" ? "" : html`<span dir="auto">${lot.group}</span> · `}${format.dateAndTime(lot.created_at)}</span>
          <button type="button" class="quiet" aria-label=${`Take out the lot: ${words(lot)}`} title="Take out" onClick=${() => remove(lot)}>
            <${Cross} />
          </button>
        </li>`)}
    </ul>`;
}

function words({ symbol, quantity, unit_cost: cost }) {
  return `${quantity < 0 ? "Sold" : "Bought"} ${typed(Math.abs(quantity))} ${symbol} at ${typed(cost)}`;
}

function undo({ symbol, quantity, unit_cost: cost, fixed_cost: fees, group: name }) {
  addLot({ symbol, quantity, unit_cost: cost, fixed_cost: fees, group: name }).catch((error) => notify(error.message, { kind: "bad" }));
}

function download(sheet) {
  const rows = [...sheet.rows.values()].map((row) => ({ holding: row.holding, standing: row.standing, isStale: row.isStale, why: sheet.whyOf(row.holding.symbol) }));
  const address = URL.createObjectURL(new Blob([csvOf(rows, sheet.totals, sheet.currency)], { type: "text/csv" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = `holdings-${new Date().toISOString().slice(0, 10)}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), DOWNLOADED_AFTER_MS);
}
