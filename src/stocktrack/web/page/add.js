// The field that adds stocks: symbols as they are typed, or one of the suggestions for a name.

import { html, signal, useEffect, useRef } from "./html.js";
import { notify } from "./notices.js";
import { add } from "./session.js";
import { isOnline, stocks } from "./state.js";
import { isOpen, marked, matches, moveMark, placeOf, suggest, symbolsMeant } from "./suggestions.js";

const isBusy = signal(false);

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
    if (text) take(symbolsMeant(text));
  };

  const keys = (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (!matches.value.length) return;
      event.preventDefault();
      isOpen.value = true;
      moveMark(event.key === "ArrowDown" ? 1 : -1);
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
            <span class="exchange">${stocks.value.has(match.symbol) ? "on your board" : placeOf(match)}</span>
          </li>`)}
      </ul>
    </form>
  `;
}
