// The chat in the corner: what users say, and a field to say something, to all or to those who watch the chosen stock.

import { html, signal, useEffect, useLayoutEffect, useRef, useState } from "./html.js";
import { notify } from "./notices.js";
import { say } from "./session.js";
import { chosen, isOnline, stocks } from "./state.js";
import { hasChat, isChatOpen, openChat, unread, unreadShown, words } from "./words.js";

const MAX_CHARS = 500;
const isBusy = signal(false);

export function Chat() {
  if (!hasChat.value) return null;
  if (!isChatOpen.value) {
    const label = unread.value ? `Chat, ${unread.value} unread` : "Chat";
    return html`
      <button type="button" class="chat-button" aria-label=${label} onClick=${() => openChat(true)}>
        Chat${unread.value > 0 && html`<span class="unread" aria-hidden="true">${unreadShown.value}</span>`}
      </button>`;
  }
  return html`<${OpenChat} />`;
}

function OpenChat() {
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
    <section class="chat" aria-label="Chat" onKeyDown=${(event) => { if (event.key === "Escape") { openChat(false); event.stopPropagation(); } }}>
      <header>
        <h2>Chat</h2>
        <button type="button" class="quiet" aria-label="Close the chat" onClick=${() => openChat(false)}><svg viewBox="0 0 16 16" aria-hidden="true"><path d="M4 4l8 8M12 4l-8 8" /></svg></button>
      </header>
      <ol ref=${list} role="log" aria-live="off" tabindex="0" aria-label="What was said" onScroll=${scrolled}>
        ${words.value.map((word) => html`<${Word} key=${word.id} word=${word} />`)}
        ${words.value.length === 0 && html`<li class="nothing-said">Nobody has said anything yet.</li>`}
      </ol>
      <${SayForm} field=${field} />
    </section>
  `;
}

function Word({ word }) {
  const time = new Date(word.timestamp);
  return html`
    <li class=${word.isMine ? "mine" : ""}>
      <span class="who"><bdi>${word.username}</bdi>${word.symbol && html` <span class="of">${word.symbol}</span>`}</span>
      <time datetime=${time.toISOString()}>${time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}</time>
      <span class="text" dir="auto">${word.text}</span>
    </li>
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
    try {
      await say(text, room || null);
      field.current.value = "";
    } catch (error) {
      notify(error.message, { kind: "bad" });
    } finally {
      isBusy.value = false;
      field.current?.focus();
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
