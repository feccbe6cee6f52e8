// The sources with their budgets, which of them leads which symbols, and the sinks.

import { ownSession, sources } from "./admin-list.js";
import { budgetWords, counted, ledBy, mood, nextTry, serverOf, sinkState, sourceState, streamWords } from "./admin-words.js";
import * as format from "../figures/format.js";
import { html } from "../base/html.js";
import { serverNow } from "../session/state.js";

export function SourcesPart() {
  const reply = sources.value;
  if (!reply) return html`<p class="quiet-note view-note">Loading …</p>`;
  const server = serverOf(ownSession.value);
  const { feed } = reply;
  return html`
    <p class="quiet-note view-note">In the order in which they are asked: the first that has a symbol and has room leads it.${server ? ` These are the sources of the server ${server}, which this page is connected to.` : ""}</p>
    <${Sources} sources=${reply.sources} />
    ${feed && html`
      <section aria-labelledby="feed-title" data-feed>
        <h2 id="feed-title">The feed behind redis</h2>
        <p class="quiet-note view-note">It leads on the machine ${feed.host} (process ${String(feed.pid)}), asks the market for all servers, and these are its sources.</p>
        <${Sources} sources=${feed.sources} />
      </section>`}
    ${reply.sinks && html`
      <p class="quiet-note view-note">Where this server publishes to:</p>
      <ul class="sources">${reply.sinks.map((sink) => html`<${Sink} key=${sink.sink} sink=${sink} />`)}</ul>`}`;
}

function Sources({ sources: shown }) {
  return html`<ul class="sources">${shown.map((source) => html`<${Source} key=${source.provider} source=${source} />`)}</ul>`;
}

function Source({ source }) {
  const { provider, capabilities, state, last_success_at: last, retry_at: retryAt, message, reason, budget, stream, leads } = source;
  const led = ledBy(source);
  return html`
    <li data-source=${provider}>
      <div class="view-row"><h2>${provider}</h2><span class=${`state-word ${mood(state)}`}>${sourceState(state)}</span></div>
      ${(message || reason) && html`<p class="trouble-note" dir="auto">${message ?? reason}</p>`}
      <dl class="told">
        <${Told} name="Last success">${last === undefined ? "never" : html`<span title=${format.dateAndTime(last)}>${format.age(serverNow() - last, last)}</span>`}<//>
        ${retryAt !== undefined && html`<${Told} name="Asked again">${nextTry(retryAt, serverNow())}<//>`}
        <${Told} name="Budget">${budget ? html`<${Budget} name=${provider} budget=${budget} />` : "as often as one likes"}<//>
        ${stream && html`<${Told} name="Stream">${streamWords(stream)}<//>`}
        <${Told} name="Leads">${counted(leads, "symbol")}<//>
        <${Told} name="Has">${capabilities.join(", ").replaceAll("_", " ")}<//>
      </dl>
      ${led.length > 0 && html`
        <details><summary>Which symbols</summary>
          ${led.map(([how, symbols, more]) => html`<p key=${how} class="led"><b>${how}:</b> ${symbols.join(" ")}${more > 0 ? ` … and ${more.toLocaleString()} more` : ""}</p>`)}
        </details>`}
    </li>`;
}

function Budget({ name, budget }) {
  const words = budgetWords(budget);
  const share = budget.limit ? Math.min(1, budget.used / budget.limit) : 1;
  return html`
    <span class="budget"><span class=${`budget-bar ${share >= 0.9 ? "full" : ""}`} role="meter" aria-label=${`Budget of ${name}`} aria-valuemin="0" aria-valuemax=${budget.limit} aria-valuenow=${Math.min(budget.used, budget.limit)} aria-valuetext=${words}><span style=${`inline-size: ${(share * 100).toFixed(1)}%`}></span></span>${words}</span>`;
}

function Sink({ sink: { sink, state, waiting, written, merged, dropped, failures, last_success_at: last, retry_at: retryAt, reason } }) {
  return html`
    <li data-sink=${sink}>
      <div class="view-row"><h2>${sink}</h2><span class=${`state-word ${mood(state)}`}>${sinkState(state)}</span></div>
      ${reason && html`<p class="trouble-note" dir="auto">${reason}</p>`}
      <dl class="told">
        <${Told} name="Took something">${last === undefined ? "never" : html`<span title=${format.dateAndTime(last)}>${format.age(serverNow() - last, last)}</span>`}<//>
        ${retryAt !== undefined && html`<${Told} name="Tried again">${nextTry(retryAt, serverNow())}<//>`}
        <${Told} name="Written">${counted(written, "price")}<//>
        <${Told} name="Waiting">${waiting.toLocaleString()}<//>
        <${Told} name="Never got">${counted(merged, "older price")}, ${dropped.toLocaleString()} without room<//>
        <${Told} name="Failures">${failures.toLocaleString()}<//>
      </dl>
    </li>`;
}

function Told({ name, children }) {
  return html`<div><dt>${name}</dt><dd>${children}</dd></div>`;
}
