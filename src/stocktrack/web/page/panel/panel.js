// The panel of the chosen stock: its price large, the chart, the day's figures, and what is known of its company.

import { Company, Dividends, News } from "./about.js";
import { followHeight } from "../base/height.js";
import { Chart } from "../chart/chart.js";
import * as format from "../figures/format.js";
import { Bell } from "../base/icons.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "../base/html.js";
import { PanelView } from "./panel-view.js";
import { addView } from "../base/painter.js";
import { add, refresh, remove } from "../session/shown-list.js";
import { notify } from "../session/notices.js";
import { closePanel } from "./closing.js";
import { coverPage, isSheet } from "./sheet.js";
import { Talk } from "./talk.js";
import { chosen, stockOf, stocks, user } from "../session/state.js";
import { open } from "../session/places.js";

const REFRESH_MS = 15_000;
// As far from the window's edge as overlays.css has them.
const NOTICES_MARGIN_PX = 20;

export function Panel() {
  const stock = stockOf(chosen.value);
  if (!stock) return null;
  return html`<${StockPanel} key=${stock.symbol} stock=${stock} />`;
}

function StockPanel({ stock }) {
  const element = useRef(null);
  const { symbol } = stock;
  const [brought, setBrought] = useState(null);

  useLayoutEffect(() => {
    const view = new PanelView(stock, element.current);
    view.paint();
    view.tick();
    stock.views.add(view);
    const stopTicking = addView(view);
    return () => {
      stopTicking();
      stock.views.delete(view);
    };
  }, [stock]);

  useLayoutEffect(() => coverPage(element.current), []);
  useEffect(() => {
    const undo = [followHeight(".bars", "--bars-height"), followHeight(".notices", "--notices-height", NOTICES_MARGIN_PX)];
    return () => undo.forEach((each) => each());
  }, []);
  useEffect(() => {
    // Only who is somebody holds something.
    if (user.value) import("../holdings/own-holding.js").then(({ OwnHolding }) => setBrought({ OwnHolding }), () => {});
  }, []);

  useEffect(() => {
    // On a small screen the panel covers the board, so that the keyboard and a screen reader go on in it.
    if (getComputedStyle(element.current).position === "fixed") element.current.querySelector("h2").focus();
    refresh([symbol]);
    const timer = setInterval(() => document.hidden || refresh([symbol]), REFRESH_MS);
    return () => clearInterval(timer);
  }, [stock]);

  const figures = [
    ["Open", "open"], ["Previous close", "previous_close"], ["Day’s high", "high"], ["Day’s low", "low"],
    ["Bid", "bid"], ["Ask", "ask"], ["Volume", "volume"],
    // Shares have these; currencies, indices and futures do not.
    ["P/E", "trailing_pe"], ["Market value", "market_cap"],
  ];
  return html`
    <section class="panel" ref=${element} role=${isSheet.value ? "dialog" : "complementary"} aria-modal=${isSheet.value ? "true" : undefined} aria-labelledby="panel-title" data-panel=${symbol}>
      <div class="panel-head">
        <button type="button" class="quiet close" onClick=${closePanel} aria-label="Close" title="Close (Esc)">
          <svg viewBox="0 0 20 20" aria-hidden="true" class="narrow-only"><path d="M12 4l-6 6 6 6" /></svg>
          <svg viewBox="0 0 20 20" aria-hidden="true" class="wide-only"><path d="M5 5l10 10M15 5L5 15" /></svg>
        </button>
        <div class="panel-name">
          <h2 id="panel-title" tabindex="-1">${symbol}</h2>
          <span data-part="name" class="name" dir="auto"></span>
        </div>
        ${user.value && html`
          <button type="button" class="quiet" onClick=${() => open("alerts", symbol)} aria-label=${`Set an alert on ${symbol}`} title="Set an alert"><${Bell} /></button>`}
        ${stocks.value.has(symbol)
          ? html`<button type="button" class="plain" onClick=${() => remove(symbol)}>Remove</button>`
          : html`<button type="button" class="plain" onClick=${() => add([symbol]).catch((error) => notify(error.message, { kind: "bad" }))}>Add</button>`}
      </div>
      <div class="panel-price">
        <span class="figure" data-part="price">…</span> <span class="currency" data-part="currency"></span>
        <span class="moves"><span class="arrow" aria-hidden="true"></span><span data-part="change"></span> <span data-part="percent"></span></span>
      </div>
      <p class="panel-extended">
        <span data-part="session"></span> <span class="extended-price" data-part="extended"></span>${" "}
        <span class="extended-moves"><span data-part="extended_change"></span> <span data-part="extended_percent"></span></span>${" "}
        <span class="age" data-part="extended_age"></span>
      </p>
      <p class="panel-lack" data-part="lack" dir="auto"></p>
      <p class="panel-state">
        <span class="dot" aria-hidden="true"></span><span data-part="market"></span> <span data-part="exchange"></span>
        <span class="age" data-part="age"></span>
        <span class="stale-mark"><span class="stale-word">Stale:</span> <span class="why" data-part="why"></span></span>
      </p>
      <${Chart} stock=${stock} />
      <dl class="figures">
        ${figures.map(([label, part]) => html`<div class=${`f-${part}`}><dt>${label}</dt><dd data-part=${part}>${format.NOTHING}</dd></div>`)}
        <div class="f-year">
          <dt>52 weeks</dt>
          <dd>
            <span data-part="year_low"></span>
            <span class="year-bar" aria-hidden="true"><span class="year-mark" data-part="year_mark"></span></span>
            <span class="unseen"> to </span><span data-part="year_high"></span><span class="unseen" data-part="year_said"></span>
          </dd>
        </div>
      </dl>
      ${brought && html`<${brought.OwnHolding} stock=${stock} />`}
      <${Talk} symbol=${symbol} />
      <${Company} stock=${stock} />
      <${Dividends} symbol=${symbol} />
      <${News} symbol=${symbol} />
    </section>
  `;
}
