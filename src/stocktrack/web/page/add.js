// The field that adds stocks: symbols as they are typed, or one of the suggestions for a name.

import { html, signal, useEffect, useRef } from "./html.js";
import { symbolsIn } from "./format.js";
import { notify } from "./notices.js";
import { add, ask } from "./session.js";
import { isOnline, stocks } from "./state.js";

const DEBOUNCE_MS = 180;
const SUGGESTIONS = 8;

const matches = signal([]);
// The text that `matches` answers, so that a slow answer is not taken for one to what stands there now.
const answered = signal("");
const marked = signal(-1);
const isOpen = signal(false);
const isBusy = signal(false);
let timer = 0;
let newest = "";

function suggest(text) {
  newest = text;
  clearTimeout(timer);
  if (!text) {
    matches.value = [];
    isOpen.value = false;
    return;
  }
  timer = setTimeout(async () => {
    let found = [];
    try {
      found = (await ask("SEARCH", { query: text.slice(0, 100), limit: SUGGESTIONS })).matches;
    } catch {
      // No source of suggestions, or too many questions: symbols can still be typed.
    }
    if (newest !== text) return;
    matches.value = found;
    answered.value = text;
    marked.value = -1;
    isOpen.value = found.length > 0;
  }, DEBOUNCE_MS);
}

/** What the return key means: the marked suggestion; a symbol that was typed in full; else the best suggestion. */
function meant(text) {
  if (marked.value >= 0) return [matches.value[marked.value].symbol];
  const typed = symbolsIn(text);
  const found = answered.value === text ? matches.value : [];
  const isExact = typed.length > 1 || found.some((match) => match.symbol === typed[0]);
  return isExact || found.length === 0 ? typed : [found[0].symbol];
}

export function AddField() {
  const field = useRef(null);
  const area = useRef(null);

  useEffect(() => {
    const close = (event) => {
      if (!area.current?.contains(event.target)) isOpen.value = false;
    };
    document.addEventListener("pointerdown", close);
    return () => document.removeEventListener("pointerdown", close);
  }, []);

  const take = async (symbols) => {
    if (!symbols.length) {
      notify("That is no symbol. Try a company's name, or a symbol such as AAPL.", { kind: "bad" });
      return;
    }
    isBusy.value = true;
    try {
      if (await add(symbols)) {
        field.current.value = "";
        suggest("");
      } else {
        field.current.select();
      }
      isOpen.value = false;
    } catch (error) {
      notify(error.message, { kind: "bad" });
    } finally {
      isBusy.value = false;
    }
  };

  const submit = (event) => {
    event.preventDefault();
    const text = field.current.value.trim();
    if (text) take(meant(text));
  };

  const keys = (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (!matches.value.length) return;
      event.preventDefault();
      isOpen.value = true;
      const step = event.key === "ArrowDown" ? 1 : -1;
      const places = matches.value.length + 1; // one of them is the field itself
      marked.value = ((marked.value + 1 + step + places) % places) - 1;
    } else if (event.key === "Escape") {
      if (isOpen.value) isOpen.value = false;
      else field.current.blur();
      event.stopPropagation();
    }
  };

  return html`
    <form class="add" role="search" ref=${area} onSubmit=${submit}>
      <svg class="glass" viewBox="0 0 20 20" aria-hidden="true"><circle cx="9" cy="9" r="5.500" /><path d="M13.200 13.200L17 17" /></svg>
      <input
        id="add-field" ref=${field} type="text" placeholder="Add a symbol or a company" aria-label="Add a symbol or a company"
        role="combobox" aria-autocomplete="list" aria-expanded=${isOpen.value ? "true" : "false"} aria-controls="suggestions"
        aria-activedescendant=${isOpen.value && marked.value >= 0 ? `suggestion-${marked.value}` : undefined}
        autocomplete="off" autocapitalize="characters" spellcheck="false" enterkeyhint="done" maxlength="1000"
        disabled=${!isOnline.value} onInput=${(event) => suggest(event.target.value.trim())} onKeyDown=${keys}
        onFocus=${() => { isOpen.value = matches.value.length > 0; }}
      />
      <kbd class="wide-only" aria-hidden="true">/</kbd>
      <button class="primary" type="submit" disabled=${!isOnline.value || isBusy.value}>Add</button>
      <ul id="suggestions" role="listbox" aria-label="Suggestions" hidden=${!isOpen.value}>
        ${matches.value.map((match, index) => html`
          <li key=${match.symbol} id=${`suggestion-${index}`} role="option" aria-selected=${index === marked.value ? "true" : "false"}
              data-suggestion=${match.symbol} onPointerDown=${(event) => event.preventDefault()} onClick=${() => take([match.symbol])}>
            <span class="symbol">${match.symbol}</span>
            <span class="name" dir="auto">${match.name}</span>
            <span class="exchange">${stocks.value.has(match.symbol) ? "on your board" : match.exchange}</span>
          </li>`)}
      </ul>
    </form>
  `;
}
