// The chart in the panel, with the choice of its range over it, what it shows in figures, and what stands there instead.

import { loadBars } from "./chart-loader.js";
import { ChartStage } from "./chart-stage.js";
import * as format from "../figures/format.js";
import { html, useEffect, useRef, useState } from "../base/html.js";
import { choice, choose, questionOf, rangeAfter, rangeOf, RANGES } from "./ranges.js";
import { look } from "../base/later.js";
import { isOnline, user } from "../session/state.js";

const CREDIT = html`<a href="https://www.tradingview.com/" target="_blank" rel="noopener noreferrer">Charts by TradingView</a>`;
const PAGE_STEP = 10;
// "5,340.12"
const LONG_PRICE = 8;

// Where the last chart was one of the prices since the page was opened, the next one most probably is, too.
let lastKind = "waiting";

export function Chart({ stock }) {
  const canvas = useRef(null);
  const stage = useRef(null);
  const [legend, setLegend] = useState(null);
  const [shown, setShown] = useState({ kind: lastKind === "session" ? "session" : "waiting" });
  const [isBroken, setBroken] = useState(false);
  const [tries, setTries] = useState(0);
  const [brought, setBrought] = useState(null);
  const isReady = isOnline.value;
  const { range, isCandles, hasExtended } = choice.value;
  const question = questionOf(choice.value);
  const key = JSON.stringify({ ...question, isCandles });

  useEffect(() => {
    stage.current = new ChartStage(canvas.current, stock, setLegend);
    return () => stage.current.close();
  }, [stock]);

  useEffect(() => {
    // Without a connection what is drawn stays; with the next one it is asked for again.
    if (!isReady) return undefined;
    return loadBars(stock, question, (outcome) => {
      if (outcome.kind !== "loading") lastKind = outcome.kind;
      setShown((before) => next(before, { ...outcome, key, range, isCandles }));
    });
  }, [stock, key, isReady, tries]);

  useEffect(() => {
    // Alerts belong to a user; without them the chart is as good as it was.
    if (!user.value) return;
    Promise.all([import("./chart-alerts.js"), look("chartalerts")]).then(([{ ChartAlerts }]) => setBrought({ ChartAlerts, stage: stage.current }), () => {});
  }, [stock]);

  const drawn = shown.kind === "bars" || shown.kind === "session" ? shown : (shown.behind ?? null);
  useEffect(() => {
    if (drawn === null) setLegend(null);
    stage.current.show(drawn).catch(() => setBroken(true));
  }, [stock, drawn]);

  const isSession = shown.kind === "session";
  return html`
    <figure class="chart" data-chart=${shown.kind}>
      ${!isSession && html`<${Ranges} range=${range} />`}
      ${!isSession && html`<${Legend} legend=${legend} stock=${stock} />`}
      <div class="chart-stage">
        <${Canvas} canvas=${canvas} stage=${stage} stock=${stock} shown=${drawn} legend=${legend} />
        <${State} shown=${isBroken ? { kind: "broken" } : shown} symbol=${stock.symbol} retry=${() => setTries(tries + 1)} />
      </div>
      ${!isSession && html`
        <div class="chart-tools">
          <button type="button" class="chip" aria-pressed=${isCandles ? "true" : "false"} onClick=${() => choose({ isCandles: !isCandles })}>Candles</button>
          <button type="button" class="chip" aria-pressed=${question.prepost ? "true" : "false"} disabled=${!rangeOf(range).extended} title=${rangeOf(range).extended ? "" : "With the range 1D"}
                  onClick=${() => choose({ hasExtended: !hasExtended })}>Extended hours</button>
        </div>`}
      ${user.value && html`
        <div class="chart-alerts-place">
          ${brought && brought.stage === stage.current && html`<${brought.ChartAlerts} stock=${stock} stage=${brought.stage} />`}
        </div>`}
      <figcaption>${caption(drawn)}${CREDIT}</figcaption>
    </figure>
  `;
}

/** What to show now: what was drawn before stays behind a short wait, and instead of a failure where it is the same chart. */
function next(before, outcome) {
  const drawn = before.kind === "bars" ? before : (before.behind ?? null);
  if (outcome.kind === "loading") return { ...outcome, behind: drawn };
  if (outcome.kind === "failed" && drawn?.key === outcome.key) return { ...drawn, note: outcome.message };
  return outcome;
}

function caption(drawn) {
  if (drawn === null) return "";
  if (drawn.kind === "session") return "Prices since you opened this page · ";
  const note = drawn.note ?? (drawn.staleReason ? `The newest bars may be missing: ${format.staleReason(drawn.staleReason, drawn.provider)}.` : "");
  return `${note ? `${note} ` : ""}${drawn.priceBars.clock.said} · `;
}

function Ranges({ range }) {
  const group = useRef(null);
  const keys = (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const key = event.key === "Home" ? RANGES[0].key : event.key === "End" ? RANGES.at(-1).key : step && rangeAfter(range, step);
    if (!key) return;
    event.preventDefault();
    event.stopPropagation();
    choose({ range: key });
    group.current.querySelector(`[data-range="${key}"]`).focus();
  };
  return html`
    <div class="ranges" role="radiogroup" aria-label="Range of the chart" ref=${group} onKeyDown=${keys}>
      ${RANGES.map(({ key, label, said }) => html`
        <button key=${key} type="button" role="radio" data-range=${key} aria-label=${`${label}, ${said}`} aria-checked=${key === range ? "true" : "false"} tabindex=${key === range ? 0 : -1}
                onClick=${() => choose({ range: key })}>${label}</button>`)}
    </div>
  `;
}

function Legend({ legend, stock }) {
  const isLong = stock.quote && format.price(stock.quote.price, stock.digits).length >= LONG_PRICE;
  return html`
    <div class=${`legend ${isLong ? "is-long" : ""}`}>
      ${legend && html`
        <p>
          <b>${legend.title}</b> <span class=${legend.sign > 0 ? "rise" : legend.sign < 0 ? "fall" : ""} data-legend="change">${legend.change}</span> <span class="note">${legend.note}</span>
        </p>
        <p class="ohlc">
          ${legend.figures.map(({ label, word, text }) => html`<span key=${word} data-legend=${word}><abbr title=${word}>${label}</abbr> ${text}</span>`)}
        </p>`}
    </div>
  `;
}

/** Where the chart is drawn; the arrow keys move the crosshair from bar to bar, and what it stands on is read aloud. */
function Canvas({ canvas, stage, stock, shown, legend }) {
  const { symbol } = stock;
  if (shown?.kind !== "bars" || !legend) {
    const what = shown?.kind === "session" ? `Chart of the prices of ${symbol} since you opened this page` : `Chart of ${symbol}`;
    return html`<div class="canvas" ref=${canvas} role="img" aria-label=${what}></div>`;
  }
  const keys = (event) => {
    const { place, end } = legend;
    if (event.key === "Enter") {
      event.preventDefault();
      event.stopPropagation();
      stage.current.enter();
      return;
    }
    const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: PAGE_STEP, PageDown: -PAGE_STEP, Home: -place, End: end - place };
    if (!Object.hasOwn(steps, event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    stage.current.step(steps[event.key]);
  };
  const told = legend.figures.map(({ word, text }) => `${word} ${text}`).join(", ");
  return html`
    <div class="canvas" ref=${canvas} role="slider" tabindex="0" aria-label=${`Chart of ${symbol}, ${rangeOf(shown.range).said}`}
         aria-valuemin="0" aria-valuemax=${legend.end} aria-valuenow=${legend.place} aria-valuetext=${`${legend.title}, ${legend.change}, ${told}`}
         onKeyDown=${keys} onBlur=${() => stage.current.unpoint()}></div>
  `;
}

function State({ shown, symbol, retry }) {
  // The button goes with the state; the keyboard goes on from the ranges.
  const goOn = (action) => () => {
    action();
    document.querySelector('.ranges [aria-checked="true"]')?.focus();
  };
  if (shown.kind === "loading") return html`<div class="chart-state is-loading"><p>Loading …</p></div>`;
  if (shown.kind === "broken") return html`<div class="chart-state"><p>The chart could not be loaded.</p></div>`;
  if (shown.kind === "empty") return html`<div class="chart-state"><p dir="auto">${shown.message}</p></div>`;
  if (shown.kind === "failed") {
    return html`<div class="chart-state"><p dir="auto">${shown.message}</p><button type="button" class="plain" onClick=${goOn(retry)}>Retry</button></div>`;
  }
  if (shown.kind === "daily") {
    return html`<div class="chart-state"><p>${symbol} has one price a day.</p><button type="button" class="plain" onClick=${goOn(() => choose({ range: "1mo" }))}>Show a month</button></div>`;
  }
  return null;
}
