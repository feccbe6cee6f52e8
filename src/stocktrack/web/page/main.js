// Puts the page together: the login, or the board with its header and panel, and the notices.

import { Bars } from "./frame/bars.js";
import { Board, order } from "./board/board.js";
import { Chat } from "./frame/chat.js";
import { Header } from "./frame/header.js";
import { effect, html, render, signal } from "./base/html.js";
import { Cross } from "./base/icons.js";
import { Login } from "./frame/login.js";
import { alertTaker, dismiss, notify } from "./session/notices.js";
import { Panel } from "./panel/panel.js";
import { beginWith } from "./session/places.js";
import { resume } from "./session/session.js";
import { Shortcuts } from "./frame/shortcuts.js";
import { chosen, isLoaded, notices, phase, stockOf, view } from "./session/state.js";
import { look } from "./base/later.js";
import { Part } from "./frame/part.js";
import "./base/theme.js";
import "./frame/tab-title.js";

function Page() {
  if (phase.value === "login") return html`<${Login} /><${Notices} />`;
  return html`
    <${Header} />
    <${Bars} />
    <main class=${stockOf(chosen.value) ? "with-panel" : ""}>
      ${view.value === "board" ? html`<${Board} />` : html`<${Part} name=${view.value} />`}
      <${Panel} />
    </main>
    <${Chat} />
    <${Notices} />
    <${Shortcuts} />
  `;
}

// What shows the alerts that fired: brought by the first one that does.
const Toasts = signal(null);
alertTaker.take = async (notice) => {
  try {
    const [{ take }, shown] = await Promise.all([import("./alerts/fired.js"), import("./alerts/toasts.js"), look("toasts")]);
    Toasts.value = shown.Toasts;
    take(notice);
  } catch {
    // What fired is told whatever becomes of its looks.
    notify(notice.message);
  }
};

function Notices() {
  return html`
    <section class="notices" aria-label="Notices">
      ${Toasts.value && html`<${Toasts.value} />`}
      ${notices.value.map(({ id, kind, text, action, stays }) => html`
        <div class=${`notice ${kind}`} key=${id}>
          ${/* A long one is scrolled, also by the keyboard. */ ""}
          <span dir="auto" tabindex=${stays ? 0 : undefined}>${text}</span>
          ${action && html`<button type="button" onClick=${() => { dismiss(id); action.run(); }}>${action.label}</button>`}
          <button type="button" class="quiet" aria-label="Dismiss" onClick=${() => dismiss(id)}><${Cross} /></button>
        </div>`)}
    </section>
  `;
}

// Each list begins with its first stock in the panel, once it is there.
let hasBegun = false;
effect(() => {
  if (!isLoaded.value) hasBegun = false;
  else if (!hasBegun && order.value.length) {
    hasBegun = true;
    beginWith(order.value[0].symbol);
  }
});

// An address may name a stock that is on no list.
effect(() => {
  const symbol = chosen.value;
  if (!isLoaded.value || symbol === null || stockOf(symbol)) return;
  import("./session/besides.js").then(({ show }) => chosen.value === symbol && show(symbol), (error) => notify(error.message, { kind: "bad" }));
});

resume();
render(html`<${Page} />`, document.getElementById("app"));
