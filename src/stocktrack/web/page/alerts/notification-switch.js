// The switch that lets alerts show notifications of the browser.

import { html, useEffect } from "../base/html.js";
import { isWanted, permission, wish } from "./notifications.js";

const WHY_NOT = {
  denied: "This browser blocks notifications of this page: its settings of the site can allow them.",
  insecure: "Browsers show notifications only of pages under https, or on this machine itself.",
  absent: "This browser shows no notifications of pages.",
};

export function NotificationSwitch() {
  const isOn = isWanted.value && permission.value === "granted";
  const why = WHY_NOT[permission.value];
  useEffect(() => {
    // Allowed once and taken back in the browser's settings since.
    if (isWanted.value && why) isWanted.value = false;
  }, [why]);
  return html`
    <div class="switch-line">
      <button type="button" role="switch" class="switch" aria-checked=${isOn ? "true" : "false"} aria-describedby="switch-note" disabled=${Boolean(why)} onClick=${() => wish(!isOn)}>
        <span class="knob" aria-hidden="true"></span>Notifications in this browser
      </button>
      <span id="switch-note" class="quiet-note">${why ?? "While you look elsewhere."}</span>
    </div>`;
}
