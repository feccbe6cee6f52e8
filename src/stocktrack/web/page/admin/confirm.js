// A question before something is done that nobody can take back: it names whom it is about.

import { html, useEffect, useRef, useState } from "../base/html.js";
import { notify } from "../session/notices.js";

/**
 * The question as a window over the page. `asked` is {title, text, action, fields, run}: `action` is the button's word,
 * `fields` what the person may choose, `run(form)` does it and resolves to what was done, as a sentence.
 */
export function Confirm({ asked, close }) {
  const dialog = useRef(null);
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const opener = useRef(document.activeElement);
  useEffect(() => {
    const place = buttons().indexOf(opener.current);
    dialog.current.showModal();
    // Where the row is gone the keyboard goes on with the one that takes its place.
    return () => setTimeout(() => document.activeElement === document.body && nearest(place)?.focus());
  }, []);
  const submit = async (event) => {
    event.preventDefault();
    if (isBusy) return;
    setBusy(true);
    setError("");
    try {
      const done = await asked.run(new FormData(event.target));
      dialog.current?.close();
      notify(done, { kind: "good" });
    } catch (failure) {
      setError(failure.message);
      setBusy(false);
    }
  };
  return html`
    <dialog class="confirm" ref=${dialog} aria-labelledby="confirm-title" onClose=${close}
            onClick=${(event) => event.target === dialog.current && dialog.current.close()}>
      <form onSubmit=${submit}>
        <h2 id="confirm-title" dir="auto">${asked.title}</h2>
        <p dir="auto">${asked.text}</p>
        ${asked.fields}
        <p class="field-error" role="alert" dir="auto">${error}</p>
        <div class="form-foot">
          <button type="button" class="plain" onClick=${() => dialog.current.close()}>Cancel</button>
          ${/* Never disabled: the browser would take the keyboard away from it, and Escape would be the page's. */ ""}
          <button type="submit" class="primary danger" aria-disabled=${isBusy ? "true" : undefined}>${asked.action}</button>
        </div>
      </form>
    </dialog>`;
}

function nearest(place) {
  const there = buttons();
  return there[Math.min(place, there.length - 1)] ?? document.getElementById("view-title");
}

function buttons() {
  return [...document.querySelectorAll(".admin-table .acts button")];
}
