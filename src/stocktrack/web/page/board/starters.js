// What stands in an empty list's place: how a stock gets onto it, and some that the server's own sources know, for a click.

import { ask } from "../session/asking.js";
import { html, signal, useEffect } from "../base/html.js";
import { notify } from "../session/notices.js";
import { add, MAIN } from "../session/shown-list.js";
import { isOnline, list, stocks } from "../session/state.js";

/** How many are offered. */
const OFFERED = 3;
// By the markets that a source may have: the next ones are asked for where one knows too few of those before.
const CANDIDATES = [
  ["AAPL", "MSFT", "NVDA", "TSLA", "AMZN"],
  ["BTC-USD", "EURUSD=X", "^GSPC"],
  ["NSE:RELIANCE", "NSE:TCS", "NSE:INFY"],
];

/** What is offered: {symbol, name}; empty until the sources have been asked, or where they know none of them. */
export const offered = signal([]);
let isAsking = false;

/** Find out which of the candidates the sources know; what no source knows is never offered. */
async function findStarters() {
  if (isAsking || offered.value.length) return;
  isAsking = true;
  const found = [];
  try {
    for (const symbols of CANDIDATES) {
      const { quotes } = await ask("GET", { symbols }).catch(noneOf);
      found.push(...symbols.map((symbol) => quotes.find((quote) => quote.symbol === symbol)).filter(Boolean));
      if (found.length >= OFFERED) break;
    }
  } catch {
    // A source that is out, or a lost connection: one can type a symbol all the same.
  } finally {
    isAsking = false;
  }
  offered.value = found.slice(0, OFFERED).map(({ symbol, name }) => ({ symbol, name }));
}

/** A refusal because no source knows any of them is an answer, too. */
function noneOf(error) {
  if (error.code !== 404) throw error;
  return { quotes: [] };
}

async function addAll(symbols) {
  try {
    await add(symbols);
  } catch (error) {
    notify(error.message, { kind: "bad" });
  }
}

export function EmptyList() {
  const { value: name } = list;
  useEffect(() => {
    if (isOnline.value) findStarters();
  }, [isOnline.value]);
  const left = offered.value.filter(({ symbol }) => !stocks.value.has(symbol));
  return html`
    <div class="nothing">
      <h2>${name === MAIN ? "Your board is empty" : html`“<span dir="auto">${name}</span>” is empty`}</h2>
      <p>Type a symbol such as <b>${left[0]?.symbol ?? "AAPL"}</b>, or the name of a company, into the field above.</p>
      ${left.length > 0 && isOnline.value && html`
        <div class="starters" role="group" aria-label="Stocks to begin with">
          ${left.map(({ symbol, name: called }) => html`
            <button type="button" key=${symbol} data-starter=${symbol} onClick=${() => addAll([symbol])}><b>${symbol}</b>${called && html`<span dir="auto">${called}</span>`}</button>`)}
          ${left.length > 1 && html`<button type="button" class="primary" data-starters onClick=${() => addAll(left.map(({ symbol }) => symbol))}>Add ${left.length === 2 ? "both" : `all ${left.length}`}</button>`}
        </div>`}
    </div>
  `;
}
