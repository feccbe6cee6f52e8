// The name of the program, as it stands on every screen.

import { html } from "./html.js";

export function Logo() {
  return html`<span class="logo"><img src="page/icon.svg" alt="" width="28" height="28" /><span>StockTrack</span></span>`;
}
