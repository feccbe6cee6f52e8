// The bars under the header: that the connection is lost, and which prices are stale because a source is out.

import * as format from "../figures/format.js";
import { html, signal } from "../base/html.js";
import { everySecond } from "../base/painter.js";
import { reconnectNow } from "../session/session.js";
import { link, outages } from "../session/state.js";

const second = signal(0);
everySecond(() => {
  if (link.value.status === "waiting" || outages.value.some((outage) => outage.retryAt)) second.value += 1;
});

/** What is wrong at the moment and what happens next, as bars under the header. */
export function Bars() {
  // Read, so that the seconds count down.
  void second.value;
  const { status, retryAt, wasOnline } = link.value;
  const isLost = status !== "online" && wasOnline;
  return html`
    <section class="bars" aria-label="Connection and sources">
      ${isLost && html`
        <div class="bar bad" data-bar="link">
          <span><strong>Connection lost.</strong> Prices stand still. ${status === "connecting" ? "Connecting …" : `Trying again ${format.inSeconds(retryAt - Date.now())}.`}</span>
          <button type="button" onClick=${reconnectNow} disabled=${status === "connecting"}>Try now</button>
        </div>`}
      ${!isLost && status !== "online" && html`
        <div class="bar" data-bar="link"><span>${status === "waiting" ? `The server does not answer. Trying again ${format.inSeconds(retryAt - Date.now())}.` : "Connecting to the server …"}</span></div>`}
      ${outages.value.map((outage) => html`
        <div class="bar warn" data-bar="outage" key=${outage.reason + outage.message}>
          <span><strong>${format.stalePrices(outage.symbols)}</strong> ${outage.message}${outage.retryAt > Date.now() ? ` Next try ${format.inSeconds(outage.retryAt - Date.now())}.` : ""}</span>
          <button type="button" onClick=${() => { outages.value = outages.value.filter((other) => other !== outage); }}>Dismiss</button>
        </div>`)}
    </section>
  `;
}
