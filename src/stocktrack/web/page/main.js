// Puts the page together: the login, or the board with its header and panel, and the notices.

import { Bars } from "./bars.js";
import { Board, order } from "./board.js";
import { Chat } from "./chat.js";
import { Header } from "./header.js";
import { effect, html, render, signal } from "./html.js";
import { Login } from "./login.js";
import { alertTaker, dismiss, notify } from "./notices.js";
import { everySecond } from "./painter.js";
import { Panel } from "./panel.js";
import { resume } from "./session.js";
import { Shortcuts } from "./shortcuts.js";
import { chosen, isLoaded, notices, phase, stockOf, view } from "./state.js";
import { look } from "./later.js";
import { Part } from "./part.js";
import * as format from "./format.js";
import "./theme.js";

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
    const [{ take }, shown] = await Promise.all([import("./fired.js"), import("./toasts.js"), look("toasts")]);
    Toasts.value = shown.Toasts;
    take(notice);
  } catch {
    // What fired is told whatever becomes of its looks.
    notify(notice.message, { kind: "plain" });
  }
};

function Notices() {
  return html`
    <div class="notices">
      ${Toasts.value && html`<${Toasts.value} />`}
      ${notices.value.map(({ id, kind, text, action }) => html`
        <div class=${`notice ${kind}`} key=${id}>
          <span dir="auto">${text}</span>
          ${action && html`<button type="button" onClick=${() => { dismiss(id); action.run(); }}>${action.label}</button>`}
          <button type="button" class="quiet" aria-label="Dismiss" onClick=${() => dismiss(id)}><svg viewBox="0 0 16 16" aria-hidden="true"><path d="M4 4l8 8M12 4l-8 8" /></svg></button>
        </div>`)}
    </div>
  `;
}

// On a wide screen there is room for a panel: it begins with the first stock. Whoever closes it wants none.
const isWide = matchMedia("(min-width: 1100px)");
let hasBegun = false;
effect(() => {
  if (phase.value === "login") hasBegun = false;
  else if (!hasBegun && isLoaded.value && order.value.length) {
    hasBegun = true;
    if (isWide.matches && chosen.value === null) chosen.value = order.value[0].symbol;
  }
});

function titleOf({ symbol, quote, extended, digits }) {
  const regular = `${symbol} ${format.price(quote.price, digits)} (${format.percent(quote.change_percent)})`;
  return extended ? `${regular} ${extended.word} ${format.price(extended.price, digits)}` : regular;
}

everySecond(() => {
  const stock = stockOf(chosen.value);
  const title = stock?.quote ? `${titleOf(stock)} · StockTrack` : "StockTrack";
  if (document.title !== title) document.title = title;
});

resume();
render(html`<${Page} />`, document.getElementById("app"));
