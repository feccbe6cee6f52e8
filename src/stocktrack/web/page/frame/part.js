// A part of the page that stands in the board's place: brought with its look when somebody first wants it.

import { html, useEffect, useState } from "../base/html.js";
import { look } from "../base/later.js";

const PARTS = {
  alerts: () => Promise.all([import("../alerts/alerts.js"), look("views")]).then(([{ AlertsView }]) => AlertsView),
  admin: () => Promise.all([import("../admin/admin.js"), look("views"), look("admin")]).then(([{ AdminView }]) => AdminView),
  holdings: () => Promise.all([import("../holdings/holdings.js"), look("views"), look("holdings")]).then(([{ HoldingsView }]) => HoldingsView),
};

/** The part of the page of that name, once it is there. */
export function Part({ name }) {
  const [tries, setTries] = useState(0);
  const [brought, setBrought] = useState({});
  useEffect(() => {
    let isWanted = true;
    PARTS[name]().then(
      (Shown) => isWanted && setBrought({ name, Shown }),
      () => isWanted && setBrought({ name, isFailed: true }),
    );
    return () => {
      isWanted = false;
    };
  }, [name, tries]);
  const { Shown, isFailed } = brought.name === name ? brought : {};
  if (Shown) return html`<${Shown} />`;
  return html`
    <section class="board"><div class="nothing">
      ${isFailed
        ? html`<p role="alert">This part of the page could not be loaded.</p><p><button type="button" class="plain" onClick=${() => setTries(tries + 1)}>Try again</button></p>`
        : html`<p>Loading …</p>`}
    </div></section>`;
}
