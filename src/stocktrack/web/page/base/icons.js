// Icons that stand in several places.

import { html } from "./html.js";

export function Bell() {
  return html`<svg viewBox="0 0 20 20" aria-hidden="true"><path d="M5 8.500a5 5 0 0 1 10 0c0 4 1.500 5 1.500 5h-13S5 12.500 5 8.500zM8.300 16.500a1.900 1.900 0 0 0 3.400 0" /></svg>`;
}

export function Coins() {
  return html`<svg viewBox="0 0 20 20" aria-hidden="true"><ellipse cx="10" cy="5.500" rx="6" ry="2.500" /><path d="M4 5.500v4.500c0 1.400 2.700 2.500 6 2.500s6-1.100 6-2.500V5.500M4 10v4.500C4 15.900 6.700 17 10 17s6-1.100 6-2.500V10" /></svg>`;
}

export function Shield() {
  return html`<svg viewBox="0 0 20 20" aria-hidden="true"><path d="M10 2.500l6 2.200v4.800c0 4-2.600 6.700-6 8-3.400-1.300-6-4-6-8V4.700zM7.500 9.800l1.900 1.900 3.300-3.600" /></svg>`;
}

/** What takes out or closes. */
export function Cross() {
  return html`<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M4 4l8 8M12 4l-8 8" /></svg>`;
}
