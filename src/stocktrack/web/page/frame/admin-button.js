// The way to the administrator's part of the page, for administrators alone.

import { html } from "../base/html.js";
import { Shield } from "../base/icons.js";
import { isAdmin, view } from "../session/state.js";
import { toggle } from "../session/places.js";

/** The button in the header; nothing for anybody else. */
export function AdminButton() {
  const isShown = view.value === "admin";
  // Whoever lost the role while looking at it has a way back all the same.
  if (!isAdmin.value && !isShown) return null;
  return html`<button type="button" class="quiet part-button" data-view="admin" aria-pressed=${isShown ? "true" : "false"} onClick=${() => toggle("admin")} title="Administration" aria-label="Administration"><${Shield} /></button>`;
}
