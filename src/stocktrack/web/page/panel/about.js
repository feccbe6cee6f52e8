// What is known of the chosen stock's company: its facts, its dividends, and the news.

import { companyFacts, marketLack, newsLack } from "./company.js";
import { decimals } from "../figures/digits.js";
import * as format from "../figures/format.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "../base/html.js";
import { ask } from "../session/asking.js";
import { isOnline, serverNow } from "../session/state.js";
import { Failure } from "../session/wire.js";

const NEWS_EVERY_MS = 60_000;
const HEADLINES = 12;

/**
 * The answer to a command, once it is there: {reply}, or {error} with words for the person. It is asked again every
 * `everyMs`, and at the time that a refusal names.
 */
function useAnswer(type, fields, { everyMs = 0 } = {}) {
  const [answer, setAnswer] = useState({});
  const isReady = isOnline.value;
  const key = JSON.stringify(fields);
  useEffect(() => {
    if (!isReady) return undefined;
    let isGone = false;
    let again = 0;
    const get = async () => {
      clearTimeout(again);
      try {
        const reply = await ask(type, fields);
        if (!isGone) setAnswer({ reply });
      } catch (error) {
        if (isGone || !(error instanceof Failure)) return;
        // After a failure what is shown stays: it is as good as it was a minute ago.
        setAnswer((old) => (old.reply ? old : { error }));
        if (error.retryAfterMs) again = setTimeout(get, error.retryAfterMs);
      }
    };
    get();
    const timer = everyMs ? setInterval(() => document.hidden || get(), everyMs) : 0;
    return () => {
      isGone = true;
      clearInterval(timer);
      clearTimeout(again);
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

export function Company({ stock }) {
  const answer = useAnswer("INFO", { symbol: stock.symbol });
  const company = answer.reply?.company;
  const facts = company && companyFacts(company, stock.details);
  return html`
    <${Section} title="Company" answer=${answer}>
      ${company?.summary && html`<${Summary} key=${stock.symbol} text=${company.summary} />`}
      ${company && !company.summary && !facts.length && html`<p class="quiet-note">Nothing more is known.</p>`}
      <dl class="facts">${facts?.map(({ label, text, href }) => html`<div><dt>${label}</dt><dd dir="auto">${href ? html`<${SafeLink} href=${href}>${text}<//>` : text}</dd></div>`)}</dl>
    <//>
  `;
}

/** The first lines of a long text, and all of it where somebody wants that. */
function Summary({ text }) {
  const paragraph = useRef(null);
  const [isOpen, setOpen] = useState(false);
  const [isLong, setLong] = useState(false);
  useLayoutEffect(() => {
    const watcher = new ResizeObserver(([{ target }]) => target.classList.contains("is-open") || setLong(target.scrollHeight > target.clientHeight + 1));
    watcher.observe(paragraph.current);
    return () => watcher.disconnect();
  }, [text]);
  return html`
    <p class=${`summary ${isOpen ? "is-open" : ""}`} id="company-summary" dir="auto" ref=${paragraph}>${text}</p>
    ${isLong && html`<button type="button" class="more-text" aria-expanded=${isOpen ? "true" : "false"} aria-controls="company-summary" onClick=${() => setOpen(!isOpen)}>${isOpen ? "Less" : "More"}</button>`}`;
}

export function Dividends({ symbol }) {
  const answer = useAnswer("DIVIDENDS", { symbol, limit: 8 });
  const { dividends = [] } = answer.reply ?? {};
  return html`
    <${Section} title="Dividends" answer=${answer}>
      <table class="dividends" aria-label="Dividends">
        <tbody>
          ${dividends.map((each) => html`<tr key=${each.date}><th scope="row"><time dateTime=${each.date}>${format.day(each.date)}</time></th><td>${format.price(each.amount, Math.max(2, decimals(each.amount)))} ${each.currency ?? ""}</td></tr>`)}
        </tbody>
      </table>
    <//>
  `;
}

/** The headlines of `symbol`, or why there are none, and below them those of the whole market. */
export function News({ symbol }) {
  const own = useAnswer("NEWS", { symbol, limit: HEADLINES }, { everyMs: NEWS_EVERY_MS });
  const market = useAnswer("NEWS", { limit: HEADLINES }, { everyMs: NEWS_EVERY_MS });
  return html`
    <section class="part" data-section="news">
      <h3>News of ${symbol}</h3>
      ${own.reply
        ? html`<${Headlines} articles=${own.reply.articles} />`
        : html`<p class="quiet-note">${own.error ? newsLack(symbol, own.error) : "Loading …"}</p>`}
            ${(market.reply || market.error) && html`<h3 class="of-the-market">News of the market</h3>`}
      ${market.reply && html`<${Headlines} articles=${market.reply.articles} />`}
      ${market.error && !market.reply && html`<p class="quiet-note">${marketLack(market.error)}</p>`}
    </section>
  `;
}

function Headlines({ articles }) {
  return html`
    <ul class="news">
      ${articles.map((article, index) => html`<${Headline} key=${index} article=${article} />`)}
    </ul>
  `;
}

function Headline({ article }) {
  const link = format.safeLink(article.link);
  return html`
    <li>
      ${link ? html`<${SafeLink} href=${link}>${article.title}<//>` : html`<span dir="auto">${article.title}</span>`}
      <span class="source" title=${article.published ? format.dateAndTime(article.published) : ""}>${[article.source, article.published && format.age(serverNow() - article.published, article.published)].filter(Boolean).join(" · ")}</span>
    </li>
  `;
}

/** A link to somewhere else that tells that place nothing. `href` has been through `format.safeLink`. */
function SafeLink({ href, children }) {
  return html`<a href=${href} target="_blank" rel="noopener noreferrer" referrerpolicy="no-referrer" dir="auto">${children}</a>`;
}
