// The chat in the corner: what users say, and a field to say something, to all or to those who watch the chosen stock.

import { html, signal, useEffect, useLayoutEffect, useRef, useState } from "../base/html.js";
import { followHeight } from "../base/height.js";
import { Cross } from "../base/icons.js";
import { Word } from "../parts/word.js";
import { notify } from "../session/notices.js";
import { say } from "../session/session.js";
import { chosen, isOnline, stocks } from "../session/state.js";
import { hasChat, isChatOpen, MAX_CHARS, openChat, unread, unreadShown, words } from "../session/words.js";

// As far from the window's edge as overlays.css has them.
const NOTICES_MARGIN_PX = 20;
const isBusy = signal(false);

export function Chat() {
  const opener = useRef(null);
  const close = () => {
    openChat(false);
    // The keyboard goes on where it came from, once that is there again.
    setTimeout(() => opener.current?.focus());
  };
  // The notices stand below it, and not on it.
  useEffect(() => (hasChat.value ? followHeight(".notices", "--notices-height", NOTICES_MARGIN_PX) : undefined), [hasChat.value]);
  if (!hasChat.value) return null;
  if (!isChatOpen.value) {
    const label = unread.value ? `Chat, ${unread.value} unread` : "Chat";
    return html`
      <button type="button" class="chat-button" ref=${opener} aria-label=${label} onClick=${() => openChat(true)}>
        Chat${unread.value > 0 && html`<span class="unread" aria-hidden="true">${unreadShown.value}</span>`}
      </button>`;
  }
  return html`<${OpenChat} close=${close} />`;
}

function OpenChat({ close }) {
  const list = useRef(null);
  const field = useRef(null);
  const isAtEnd = useRef(true);
  useEffect(() => field.current?.focus(), []);
  useLayoutEffect(() => {
    // Whoever has scrolled back reads; the others follow.
    if (isAtEnd.current) list.current.scrollTop = list.current.scrollHeight;
  }, [words.value]);
  const scrolled = () => {
    const { scrollTop, scrollHeight, clientHeight } = list.current;
    isAtEnd.current = scrollHeight - scrollTop - clientHeight < 24;
  };
  return html`
    <section class="chat" aria-label="Chat" onKeyDown=${(event) => { if (event.key === "Escape") { close(); event.stopPropagation(); } }}>
      <header>
        <h2>Chat</h2>
        <button type="button" class="quiet" aria-label="Close the chat" onClick=${close}><${Cross} /></button>
      </header>
      <div class="log" ref=${list} role="log" aria-live="off" tabindex="0" aria-label="What was said" onScroll=${scrolled}>
        ${words.value.length === 0
          ? html`<p class="nothing-said">Nobody has said anything yet.</p>`
          : html`<ol>${words.value.map((word) => html`<${Word} key=${word.id} word=${word} />`)}</ol>`}
      </div>
      <${SayForm} field=${field} />
    </section>
  `;
}

function SayForm({ field }) {
  const [room, setRoom] = useState("");
  // A room that was chosen stays: what is said must not go elsewhere because the panel shows another stock, or none.
  const rooms = [...new Set([room, stocks.value.has(chosen.value) ? chosen.value : ""])].filter(Boolean);
  const submit = async (event) => {
    event.preventDefault();
    const text = field.current.value.trim();
    if (!text || isBusy.value) return;
    isBusy.value = true;
    // Not first when it is said: the button that was pressed hears no Escape while it is disabled.
    field.current.focus();
    try {
      await say(text, room || null);
      field.current.value = "";
    } catch (error) {
      notify(error.message, { kind: "bad" });
    } finally {
      isBusy.value = false;
    }
  };
  return html`
    <form onSubmit=${submit}>
      ${rooms.length > 0 && html`
        <select aria-label="To whom" value=${room} onChange=${(event) => setRoom(event.target.value)}>
          <option value="">To everybody</option>
          ${rooms.map((symbol) => html`<option key=${symbol} value=${symbol}>To those who watch ${symbol}</option>`)}
        </select>`}
      <input ref=${field} aria-label="Say something" placeholder="Say something" maxlength=${MAX_CHARS} autocomplete="off" enterkeyhint="send" />
      <button type="submit" class="primary" disabled=${!isOnline.value || isBusy.value}>Say</button>
    </form>
  `;
}
