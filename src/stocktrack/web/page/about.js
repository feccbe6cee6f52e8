// What is known of the chosen stock's company: its facts, its dividends, and the news.

import { companyFacts, newsLack } from "./company.js";
import { decimals } from "./digits.js";
import * as format from "./format.js";
import { html, useEffect, useState } from "./html.js";
import { ask } from "./session.js";
import { isOnline, serverNow } from "./state.js";
import { Failure } from "./wire.js";

const NEWS_EVERY_MS = 60_000;
const HEADLINES = 12;

/** The answer to a command, once it is there: {reply}, or {error} with words for the person. Asked again every `everyMs`. */
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
        // After a failure what is shown stays: it is as good as it was a minute ago.
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

export function Company({ stock }) {
  const answer = useAnswer("INFO", { symbol: stock.symbol });
  const company = answer.reply?.company;
  const facts = company && companyFacts(company, stock.details);
  return html`
    <${Section} title="Company" answer=${answer}>
      ${company?.summary && html`<p class="summary" dir="auto">${company.summary}</p>`}
      ${company && !company.summary && !facts.length && html`<p class="quiet-note">Nothing more is known.</p>`}
      <dl class="facts">${facts?.map(({ label, text, href }) => html`<div><dt>${label}</dt><dd dir="auto">${href ? html`<${SafeLink} href=${href}>${text}<//>` : text}</dd></div>`)}</dl>
    <//>
  `;
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
      <h3>News</h3>
      ${own.reply
        ? html`<${Headlines} articles=${own.reply.articles} />`
        : html`<p class="quiet-note">${own.error ? newsLack(symbol, own.error) : "Loading …"}</p>`}
      ${market.reply && html`<h4>The market</h4><${Headlines} articles=${market.reply.articles} />`}
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
      <span class="source">${[article.source, article.published && format.age(serverNow() - article.published, article.published)].filter(Boolean).join(" · ")}</span>
    </li>
  `;
}

/** A link to somewhere else that tells that place nothing. `href` has been through `format.safeLink`. */
function SafeLink({ href, children }) {
  return html`<a href=${href} target="_blank" rel="noopener noreferrer" referrerpolicy="no-referrer" dir="auto">${children}</a>`;
}
