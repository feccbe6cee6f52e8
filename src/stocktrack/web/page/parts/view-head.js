// The head of a part of the page that stands in the board's place: its name, and the way back.

import { html, useEffect, useRef } from "../base/html.js";
import { back } from "../session/places.js";

export function ViewHead({ title, children }) {
  const heading = useRef(null);
  // The keyboard and a screen reader go on here.
  useEffect(() => heading.current.focus(), []);
  return html`
    <div class="view-head">
      <button type="button" class="quiet" onClick=${back} aria-label="Back to the board" title="Back to the board (Esc)">
        <svg viewBox="0 0 20 20" aria-hidden="true"><path d="M12 4l-6 6 6 6" /></svg>
      </button>
      <h1 id="view-title" tabindex="-1" ref=${heading}>${title}</h1>
      ${children}
    </div>`;
}
