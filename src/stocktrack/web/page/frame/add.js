// The field that adds stocks: symbols as they are typed or pasted, or one of the suggestions for a name.

import { html, useEffect, useRef } from "../base/html.js";
import { listedOf } from "./meaning.js";
import { reveal } from "../board/reveal.js";
import { isOnline, stocks } from "../session/state.js";
import { closeSuggestions, isOpen, marked, matches, moveMark, placeOf, returned, suggest } from "./suggestions.js";
import { giveUp, isSlow, take, takeSymbols, waiting } from "./taking.js";

const WAITING_WORDS = { searching: "Searching … Esc gives up", adding: "Adding …" };

export function AddField() {
  const field = useRef(null);
  const area = useRef(null);
  const isComposing = useRef(false);
  // The text that is being added, and whether the return key was pressed for another one meanwhile.
  const adding = useRef({ text: "", hasNext: false });

  useEffect(() => {
    const close = (event) => {
      if (!area.current?.contains(event.target)) closeSuggestions();
    };
    document.addEventListener("pointerdown", close);
    return () => document.removeEventListener("pointerdown", close);
  }, []);
  useEffect(() => {
    if (marked.value >= 0) document.getElementById(`suggestion-${marked.value}`)?.scrollIntoView({ block: "nearest" });
  }, [marked.value]);

  const finish = async (added) => {
    const text = field.current.value;
    adding.current = { text: text.trim(), hasNext: false };
    const isThere = await added;
    const { hasNext } = adding.current;
    adding.current.hasNext = false;
    if (hasNext) requestAnimationFrame(() => field.current?.form.requestSubmit());
    if (isThere === null) return;
    // Whoever goes on typing meanwhile keeps what is typed.
    if (field.current?.value === text) {
      if (isThere) {
        field.current.value = "";
        suggest("");
      } else if (document.activeElement === field.current) {
        field.current.select();
      }
      closeSuggestions();
    }
    if (isThere) reveal();
  };

  const submit = (event) => {
    event.preventDefault();
    const text = field.current.value.trim();
    // A return key that only ends the writing of a word, as in Japanese, adds nothing.
    if (!text || isComposing.current) return;
    if (waiting.value === null) finish(take(text));
    else if (waiting.value === "adding" && text !== adding.current.text) adding.current.hasNext = true;
  };

  const typed = () => {
    giveUp();
    suggest(field.current.value.trim());
  };

  const input = (event) => {
    if (!event.isComposing && !isComposing.current) typed();
  };

  const paste = (event) => {
    const text = event.clipboardData?.getData("text/plain") ?? "";
    // In a field of one line the browser would join the lines.
    if (!/[\t\r\n]/.test(text.trim())) return;
    event.preventDefault();
    field.current.setRangeText(listedOf(text), field.current.selectionStart, field.current.selectionEnd, "end");
    typed();
  };

  // The tab key leads out of the field and its button: what is suggested would cover what it leads to.
  const left = (event) => {
    if (event.relatedTarget && !area.current.contains(event.relatedTarget)) closeSuggestions();
  };

  const keys = (event) => {
    if (event.isComposing || isComposing.current) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (!matches.value.length) return;
      event.preventDefault();
      isOpen.value = true;
      moveMark(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Escape") {
      if (giveUp()) closeSuggestions();
      else if (isOpen.value) closeSuggestions();
      else field.current.blur();
      event.stopPropagation();
    }
  };

  return html`
    <form class="add" role="search" ref=${area} onSubmit=${submit} onFocusOut=${left}>
      <svg class="glass" viewBox="0 0 20 20" aria-hidden="true"><circle cx="9" cy="9" r="5.500" /><path d="M13.200 13.200L17 17" /></svg>
      <input
        id="add-field" ref=${field} type="text" placeholder="Symbol or company" aria-label="Add a symbol or a company"
        role="combobox" aria-autocomplete="list" aria-expanded=${isOpen.value ? "true" : "false"} aria-controls="suggestions"
        aria-activedescendant=${isOpen.value && marked.value >= 0 ? `suggestion-${marked.value}` : undefined}
        aria-busy=${waiting.value ? "true" : undefined}
        autocomplete="off" autocapitalize="characters" spellcheck="false" enterkeyhint="done" maxlength="30000"
        disabled=${!isOnline.value} onInput=${input} onKeyDown=${keys} onPaste=${paste}
        onCompositionStart=${() => { isComposing.current = true; }}
        onCompositionEnd=${() => { isComposing.current = false; typed(); }}
        onFocus=${() => { isOpen.value = matches.value.length > 0; }}
      />
      <kbd class="wide-only" aria-hidden="true">/</kbd>
      <button class="primary" type="submit" disabled=${!isOnline.value || waiting.value === "searching"}>Add</button>
      ${isSlow.value && waiting.value && html`<p class="add-waits">${WAITING_WORDS[waiting.value]}</p>`}
      <ul id="suggestions" role="listbox" aria-label="Suggestions" hidden=${!isOpen.value}>
        ${matches.value.map((match, index) => html`
          <li key=${match.symbol} id=${`suggestion-${index}`} role="option" aria-selected=${index === marked.value ? "true" : "false"}
              data-suggestion=${match.symbol} onPointerDown=${(event) => event.preventDefault()} onClick=${() => finish(takeSymbols([match.symbol]))}>
            <span class="symbol">${match.symbol}</span>
            <span class="name" dir="auto">${match.name}</span>
            <span class="exchange">${stocks.value.has(match.symbol) ? "on this list" : placeOf(match)}</span>
            <kbd class="return-key" aria-hidden="true">${index === returned.value ? "↵" : ""}</kbd>
          </li>`)}
      </ul>
    </form>
  `;
}
