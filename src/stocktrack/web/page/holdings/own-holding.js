// What the person holds of one stock, in its panel: nothing at all where that is nothing.

import { holdings } from "./holding-list.js";
import { Sheet } from "./holding-view.js";
import { effect, html, useEffect, useLayoutEffect, useRef, useState } from "../base/html.js";
import { addView, everySeconds } from "../base/painter.js";
import { ask } from "../session/asking.js";
import { isOnline, phase } from "../session/state.js";
import { open } from "../session/places.js";

// Lots that another client adds are seen by then. No sooner: a server asks its sources for what is held and not watched.
const READ_EVERY_SECONDS = 600;
const FIGURES = [["quantity", "Quantity"], ["unit_cost", "Average cost"], ["value", "Value"], ["day", "Day"], ["gain", "Gain"], ["weight", "Weight"]];

// The last answer, for the panels of all stocks: {reply, seen}. Whoever goes through the board asks once.
let kept = null;

effect(() => {
  // Another person holds other things.
  if (phase.value === "login") kept = null;
});

export function OwnHolding({ stock }) {
  const { symbol } = stock;
  const [sheet, setSheet] = useState(null);
  const isReady = isOnline.value;
  // Read, so that what is added or taken out there is seen here.
  const seen = holdings.value;

  useEffect(() => {
    if (!isReady) return undefined;
    let isGone = false;
    let again = 0;
    const show = () => setSheet(kept.reply.holdings.some((holding) => holding.symbol === symbol) ? new Sheet(kept.reply, () => {}) : null);
    const read = async () => {
      const reply = await readAll();
      if (isGone) return;
      kept = { reply, seen };
      show();
    };
    const attempt = () => read().catch((error) => {
      // The view of the holdings says why there are none.
      clearTimeout(again);
      if (!isGone && error.retryAfterMs) again = setTimeout(attempt, error.retryAfterMs);
    });
    if (kept && kept.seen === seen) show();
    else attempt();
    const stop = everySeconds(READ_EVERY_SECONDS, attempt);
    return () => {
      isGone = true;
      clearTimeout(again);
      stop();
    };
  }, [symbol, isReady, seen]);

  if (!sheet?.rows.has(symbol)) return null;
  return html`<${Figures} sheet=${sheet} stock=${stock} />`;
}

function Figures({ sheet, stock }) {
  const element = useRef(null);
  const row = sheet.rows.get(stock.symbol);
  useLayoutEffect(() => {
    const stop = row.show(element.current, stock);
    const weigh = { isSeen: true, paint() {}, tick: () => row.weigh(sheet.totals) };
    weigh.tick();
    const stopTicking = addView(weigh);
    return () => {
      stop();
      stopTicking();
    };
  }, [sheet, stock]);
  return html`
    <section class="part own-holding" data-section="holding" ref=${element}>
      <div class="part-head"><h3>You hold</h3><button type="button" class="symbol-link" onClick=${() => open("holdings")}>All you hold</button></div>
      <dl class="figures">
        ${FIGURES.map(([part, label]) => html`
          <div key=${part} class=${`f-${part} h-${part}`}><dt>${label}</dt><dd>
            <span data-part=${part}></span>${part === "value" && html` <span class="currency" data-part="currency"></span>`}${(part === "day" || part === "gain") && html` <span class="second" data-part=${`${part}_percent`}></span>`}
          </dd></div>`)}
      </dl>
    </section>`;
}

/** The answer to HOLDINGS, all pages of it, since the weight is that of all. */
async function readAll() {
  const reply = await ask("HOLDINGS", {});
  for (let page = reply; page.more && page.lots.length; ) {
    const last = page.lots.at(-1);
    page = await ask("HOLDINGS", { after: last.symbol, after_lot: last.lot });
    for (const name of ["holdings", "lots", "missing"]) reply[name].push(...page[name]);
    reply.totals = page.totals;
  }
  return reply;
}
