// What others say about the stock in the panel, where the server lets users talk, and a field to say something about it.

import { html, useRef, useState } from "../base/html.js";
import { Word } from "../parts/word.js";
import { notify } from "../session/notices.js";
import { say } from "../session/session.js";
import { isOnline } from "../session/state.js";
import { hasChat, MAX_CHARS, words } from "../session/words.js";

const SHOWN = 5;

export function Talk({ symbol }) {
  const field = useRef(null);
  const [isBusy, setBusy] = useState(false);
  if (!hasChat.value) return null;
  const said = words.value.filter((word) => word.symbol === symbol).slice(-SHOWN);
  const submit = async (event) => {
    event.preventDefault();
    const text = field.current.value.trim();
    if (!text || isBusy) return;
    setBusy(true);
    field.current.focus();
    try {
      await say(text, symbol);
      field.current.value = "";
    } catch (error) {
      notify(error.message, { kind: "bad" });
    } finally {
      setBusy(false);
    }
  };
  return html`
    <section class="part talk" data-section="talk">
      <h3>What others say</h3>
      ${said.length > 0
        ? html`<ol class="said" aria-label=${`Said about ${symbol}`}>${said.map((word) => html`<${Word} key=${word.id} word=${word} hasSymbol=${false} />`)}</ol>`
        : html`<p class="quiet-note">Nobody has said anything about ${symbol} since you opened this page.</p>`}
      <form class="say" onSubmit=${submit}>
        <input ref=${field} aria-label=${`Your words about ${symbol}`} placeholder=${`To those who watch ${symbol}`} maxlength=${MAX_CHARS} autocomplete="off" enterkeyhint="send" />
        <button type="submit" class="plain" aria-label=${`Say it to those who watch ${symbol}`} disabled=${!isOnline.value}>Say</button>
      </form>
    </section>`;
}
