// The bar on top: the field to add stocks, whether prices are live, the theme, and the way out.

import { AddField } from "./add.js";
import { AdminButton } from "./admin-button.js";
import { html, useEffect, useState } from "../base/html.js";
import { Bell, Coins } from "../base/icons.js";
import { Logo } from "../base/logo.js";
import { everySecond } from "../base/painter.js";
import { openShortcuts } from "./shortcuts.js";
import { statusOf } from "../session/status.js";
import { link, stocks, unseenAlerts, user, view } from "../session/state.js";
import { nextTheme, theme } from "../base/theme.js";
import { leave, toggle } from "../session/places.js";

const THEME = { auto: "Theme: as the system", light: "Theme: light", dark: "Theme: dark" };

export function Header() {
  return html`
    <header class="top">
      <${Logo} />
      <${AddField} />
      <div class="tools">
        <${Status} />
        ${user.value && html`<${Parts} />`}
        <${AdminButton} />
        <button type="button" class="quiet" onClick=${nextTheme} title=${THEME[theme.value]} aria-label=${THEME[theme.value]}>
          <svg viewBox="0 0 20 20" aria-hidden="true">${themeIcon(theme.value)}</svg>
        </button>
        <button type="button" class="quiet wide-only" onClick=${openShortcuts} title="Keyboard shortcuts (?)" aria-label="Keyboard shortcuts">
          <svg viewBox="0 0 20 20" aria-hidden="true"><rect x="2" y="5" width="16" height="10.5" rx="2" /><path d="M5 8.5h.01M8.3 8.5h.01M11.7 8.5h.01M15 8.5h.01M6 12h8" /></svg>
        </button>
        <span class="user" title=${user.value}>${user.value}</span>
        <button type="button" class="quiet" onClick=${leave} title="Log out" aria-label="Log out">
          <svg viewBox="0 0 20 20" aria-hidden="true"><path d="M12 4H5.5A1.5 1.5 0 0 0 4 5.500v9A1.500 1.500 0 0 0 5.500 16H12M9 10h8m-3-3l3 3-3 3" /></svg>
        </button>
      </div>
    </header>
  `;
}

/** Whether the prices are live: counted once a second, because prices are no signals. */
function Status() {
  const [status, setStatus] = useState(statusNow);
  useEffect(() => {
    const tell = () => setStatus((before) => {
      const now = statusNow();
      return now.word === before.word && now.said === before.said ? before : now;
    });
    tell();
    return everySecond(tell);
  }, [link.value.status, stocks.value]);
  const { word, kind, said } = status;
  return html`<span class="link-state" data-status=${kind} title=${said}><span class="dot" aria-hidden="true"></span>${word}<span class="unseen">. ${said}</span></span>`;
}

function statusNow() {
  return statusOf(link.value.status, stocks.value.values());
}

/** The ways to the alerts and the holdings, which belong to a user. */
function Parts() {
  const shown = view.value;
  const count = unseenAlerts.value;
  const fired = count === 0 ? "" : `, ${count} fired`;
  return html`
    <button type="button" class="quiet part-button" data-view="alerts" aria-pressed=${shown === "alerts" ? "true" : "false"} onClick=${() => toggle("alerts")} title="Alerts (a)" aria-label=${`Alerts${fired}`}>
      <${Bell} />${count > 0 && html`<span class="badge" aria-hidden="true">${count > 99 ? "99+" : count}</span>`}
    </button>
    <button type="button" class="quiet part-button" data-view="holdings" aria-pressed=${shown === "holdings" ? "true" : "false"} onClick=${() => toggle("holdings")} title="Holdings (h)" aria-label="Holdings"><${Coins} /></button>
  `;
}

function themeIcon(name) {
  if (name === "light") return html`<circle cx="10" cy="10" r="3.5" /><path d="M10 2v2M10 16v2M2 10h2M16 10h2M4.300 4.300l1.400 1.400M14.300 14.300l1.400 1.400M4.300 15.700l1.400-1.400M14.300 5.700l1.400-1.400" />`;
  if (name === "dark") return html`<path d="M16.500 12.200A7 7 0 0 1 7.800 3.500a7 7 0 1 0 8.700 8.700z" />`;
  return html`<circle cx="10" cy="10" r="7" /><path d="M10 3v14a7 7 0 0 0 0-14z" class="filled" />`;
}
