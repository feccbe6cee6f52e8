// The panel of the chosen stock: its price large, the chart, the day, the company, dividends, and news.

import { Chart } from "./chart.js";
import * as format from "./format.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "./html.js";
import { addView, flash } from "./painter.js";
import { ask, refresh, remove } from "./session.js";
import { closePanel } from "./shortcuts.js";
import { chosen, isOnline, serverNow, stocks } from "./state.js";
import { Failure } from "./wire.js";

const REFRESH_MS = 15_000;
const NEWS_EVERY_MS = 60_000;
const HEADLINES = 12;

export function Panel() {
  const stock = stocks.value.get(chosen.value);
  if (!stock) return null;
  return html`<${StockPanel} key=${stock.symbol} stock=${stock} />`;
}

/** Writes what moves in the panel, as a row's view does in its row. */
class PanelView {
  isSeen = true;
  #stock;
  #parts = {};
  #changes;

  constructor(stock, element) {
    this.#stock = stock;
    this.#changes = stock.changes;
    this.element = element;
    for (const part of element.querySelectorAll("[data-part]")) this.#parts[part.dataset.part] = part;
  }

  paint() {
    const { quote, details, digits } = this.#stock;
    this.#write("name", details.name ?? "");
    this.#write("exchange", details.exchange ?? "");
    if (!quote) return;
    this.#write("price", format.price(quote.price, digits));
    this.#write("currency", quote.currency ?? "");
    this.#write("change", quote.change === undefined ? "" : format.signed(quote.change, digits));
    this.#write("percent", quote.change_percent === undefined ? "" : `(${format.percent(quote.change_percent)})`);
    const sign = Math.sign(quote.change ?? 0);
    this.element.classList.toggle("up", sign > 0);
    this.element.classList.toggle("down", sign < 0);
    this.element.classList.toggle("stale", quote.stale);
    this.element.dataset.market = quote.market_state;
    this.#write("market", format.marketState(quote.market_state));
    this.#write("why", quote.stale ? format.staleReason(quote.stale_reason) : "");
    this.#write("open", format.price(details.open, digits));
    this.#write("previous_close", format.price(details.previous_close, digits));
    // The whole quote is some seconds old; the price may have left its range since.
    this.#write("high", format.price(details.high === undefined ? undefined : Math.max(details.high, quote.price), digits));
    this.#write("low", format.price(details.low === undefined ? undefined : Math.min(details.low, quote.price), digits));
    this.#write("bid", format.price(quote.bid, digits));
    this.#write("ask", format.price(quote.ask, digits));
    this.#write("volume", format.compact(quote.volume));
    if (this.#stock.changes !== this.#changes) {
      this.#changes = this.#stock.changes;
      flash(this.#parts.price, this.#stock.direction);
    }
  }

  tick() {
    const at = this.#stock.pricedAt;
    const { quote } = this.#stock;
    if (at === undefined || !quote) return;
    const source = quote.provider ? ` · ${quote.provider}` : "";
    const delay = this.#stock.details.delay_seconds ? ` · delayed ${Math.round(this.#stock.details.delay_seconds / 60)} min` : "";
    this.#write("age", `${format.age(serverNow() - at, at)}${source}${delay}`);
    this.#parts.age.title = format.dateAndTime(at);
  }

  #write(part, text) {
    const element = this.#parts[part];
    if (element.textContent !== text) element.textContent = text;
  }
}

function StockPanel({ stock }) {
  const element = useRef(null);
  const { symbol } = stock;

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
  ];
  return html`
    <aside class="panel" ref=${element} aria-labelledby="panel-title" data-panel=${symbol}>
      <div class="panel-head">
        <button type="button" class="quiet close" onClick=${closePanel} aria-label="Close" title="Close (Esc)">
          <svg viewBox="0 0 20 20" aria-hidden="true" class="narrow-only"><path d="M12 4l-6 6 6 6" /></svg>
          <svg viewBox="0 0 20 20" aria-hidden="true" class="wide-only"><path d="M5 5l10 10M15 5L5 15" /></svg>
        </button>
        <div class="panel-name">
          <h2 id="panel-title" tabindex="-1">${symbol}</h2>
          <span data-part="name" class="name" dir="auto"></span>
        </div>
        <button type="button" class="plain" onClick=${() => remove(symbol)}>Remove</button>
      </div>
      <div class="panel-price">
        <span class="figure" data-part="price">…</span> <span class="currency" data-part="currency"></span>
        <span class="moves"><span class="arrow" aria-hidden="true"></span><span data-part="change"></span> <span data-part="percent"></span></span>
      </div>
      <p class="panel-state">
        <span class="dot" aria-hidden="true"></span><span data-part="market"></span> <span data-part="exchange"></span>
        <span class="age" data-part="age"></span>
        <span class="stale-mark"><span class="stale-word">Stale:</span> <span class="why" data-part="why"></span></span>
      </p>
      <${Chart} stock=${stock} />
      <dl class="figures">
        ${figures.map(([label, part]) => html`<div><dt>${label}</dt><dd data-part=${part}>${format.NOTHING}</dd></div>`)}
      </dl>
      <${Company} symbol=${symbol} />
      <${Dividends} symbol=${symbol} />
      <${News} />
    </aside>
  `;
}

/** What a command answers, once it does: {reply}, or {error} with words for the person. Asks again every `everyMs`. */
function useAnswer(type, fields, { everyMs = 0 } = {}) {
  const [answer, setAnswer] = useState({});
  const isReady = isOnline.value;
  const key = JSON.stringify(fields);
  useEffect(() => {
    if (!isReady) return undefined;
    let isGone = false;
    const get = async () => {
      try {
        const reply = await ask(type, fields);
        if (!isGone) setAnswer({ reply });
      } catch (error) {
        // What was there before a failure stays: it is no worse than a minute ago.
        if (!isGone && error instanceof Failure) setAnswer((old) => (old.reply ? old : { error }));
      }
    };
    get();
    const timer = everyMs ? setInterval(() => document.hidden || get(), everyMs) : 0;
    return () => {
      isGone = true;
      clearInterval(timer);
    };
  }, [type, key, isReady]);
  return answer;
}

function Section({ title, answer, children }) {
  const { reply, error } = answer;
  return html`
    <section class="part" data-section=${title.toLowerCase()}>
      <h3>${title}</h3>
      ${reply ? children : html`<p class="quiet-note">${error ? error.message : "Loading …"}</p>`}
    </section>
  `;
}

function Company({ symbol }) {
  const answer = useAnswer("INFO", { symbol });
  const company = answer.reply?.company;
  const website = format.safeLink(company?.website);
  const facts = company && [
    ["Sector", company.sector], ["Industry", company.industry], ["Country", company.country],
    ["Employees", company.employees === undefined ? undefined : company.employees.toLocaleString()],
    ["Market value", company.market_cap === undefined ? undefined : `${format.compact(company.market_cap)} ${company.currency ?? ""}`],
    ["Website", website && html`<${SafeLink} href=${website}>${new URL(website).hostname.replace(/^www\./, "")}<//>`],
  ].filter(([, value]) => value !== undefined);
  return html`
    <${Section} title="Company" answer=${answer}>
      ${company?.summary && html`<p class="summary" dir="auto">${company.summary}</p>`}
      ${company && !company.summary && !facts.length && html`<p class="quiet-note">Nothing more is known.</p>`}
      <dl class="facts">${facts?.map(([label, value]) => html`<div><dt>${label}</dt><dd dir="auto">${value}</dd></div>`)}</dl>
    <//>
  `;
}

function Dividends({ symbol }) {
  const answer = useAnswer("DIVIDENDS", { symbol, limit: 8 });
  const { dividends = [], currency = "" } = answer.reply ?? {};
  return html`
    <${Section} title="Dividends" answer=${answer}>
      <table class="dividends" aria-label="Dividends">
        <tbody>
          ${dividends.map((each) => html`<tr key=${each.date}><th scope="row"><time dateTime=${each.date}>${format.day(each.date)}</time></th><td>${format.price(each.amount, Math.max(2, format.decimals(each.amount)))} ${currency}</td></tr>`)}
        </tbody>
      </table>
    <//>
  `;
}

function News() {
  const answer = useAnswer("NEWS", { limit: HEADLINES }, { everyMs: NEWS_EVERY_MS });
  const articles = answer.reply?.articles ?? [];
  return html`
    <${Section} title="News" answer=${answer}>
      <ul class="news">
        ${articles.map((article) => html`<${Headline} key=${`${article.published} ${article.title}`} article=${article} />`)}
      </ul>
    <//>
  `;
}

function Headline({ article }) {
  const link = format.safeLink(article.link);
  return html`
    <li>
      ${link ? html`<${SafeLink} href=${link}>${article.title}<//>` : html`<span dir="auto">${article.title}</span>`}
      <span class="source">${[article.source, article.published && format.age(serverNow() - article.published, article.published)].filter(Boolean).join(" · ")}</span>
    </li>
  `;
}

/** A link to somewhere else that tells that place nothing. `href` has been through `format.safeLink`. */
function SafeLink({ href, children }) {
  return html`<a href=${href} target="_blank" rel="noopener noreferrer" referrerpolicy="no-referrer" dir="auto">${children}</a>`;
}
