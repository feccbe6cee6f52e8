// A word of the chat: who said it, of which stock, when, and what.

import { html } from "../base/html.js";

/** `word` is one of session/words.js; `hasSymbol` whether the stock it is of is told as well. */
export function Word({ word, hasSymbol = true }) {
  const time = new Date(word.timestamp);
  return html`
    <li class=${word.isMine ? "mine" : ""}>
      <span class="who"><bdi>${word.username}</bdi>${hasSymbol && word.symbol && html` <span class="of">${word.symbol}</span>`}</span>
      <time datetime=${time.toISOString()}>${time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}</time>
      <span class="text" dir="auto">${word.text}</span>
    </li>
  `;
}
