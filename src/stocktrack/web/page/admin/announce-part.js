// A word to everybody who is logged in.

import { announceToAll } from "./admin-list.js";
import { announcement, announcementLength, announcementTrouble, counted, MAX_ANNOUNCEMENT_CHARS } from "./admin-words.js";
import { html, signal, useRef, useState } from "../base/html.js";
import { announce } from "../session/notices.js";
import { isOnline } from "../session/state.js";

// What is half written stays while the person looks at another part.
const draft = signal("");

export function AnnouncePart() {
  const field = useRef(null);
  const [error, setError] = useState("");
  const [done, setDone] = useState("");
  const [isBusy, setBusy] = useState(false);
  const text = draft.value;
  const length = announcementLength(text);
  const submit = async (event) => {
    event.preventDefault();
    if (isBusy) return;
    const wrong = announcementTrouble(text);
    setError(wrong);
    setDone("");
    if (wrong) {
      field.current.focus();
      return;
    }
    setBusy(true);
    try {
      const { recipients, message } = await announceToAll(announcement(text));
      const said = [`${counted(recipients, "session")} ${recipients === 1 ? "was" : "were"} told, this page among them.`, message].filter(Boolean).join(" ");
      draft.value = "";
      setDone(said);
      announce(said);
    } catch (failure) {
      setError(failure.message);
    } finally {
      setBusy(false);
    }
  };
  return html`
    <form class="view-part announce" onSubmit=${submit} novalidate>
      <div class="field">
        <label for="announcement">Tell everybody who is logged in</label>
        <textarea id="announcement" ref=${field} rows="3" value=${text} aria-describedby="announcement-hint announcement-error" aria-invalid=${error ? "true" : undefined}
          onInput=${(event) => { draft.value = event.target.value; setError(""); setDone(""); }}></textarea>
        <span id="announcement-hint" class="quiet-note hint"><span class=${length > MAX_ANNOUNCEMENT_CHARS ? "too-long" : ""}>${length} of ${MAX_ANNOUNCEMENT_CHARS} characters.</span> On their pages it stands in the corner until they close it; other clients print it.</span>
        <p id="announcement-error" class="field-error" role="alert" dir="auto">${error}</p>
      </div>
      <div class="form-foot">
        <button type="submit" class="primary" disabled=${!isOnline.value} aria-disabled=${isBusy ? "true" : undefined}>Announce</button>
        <p class="done-note">${done}</p>
      </div>
    </form>`;
}
