// The chart in the panel: its place there, and the library that draws it, which is loaded when it is needed.

import { ChartView } from "./chart-view.js";
import { html, useEffect, useRef, useState } from "./html.js";
import { addView } from "./painter.js";
import { colours } from "./theme.js";

// Loaded with the first chart: the board does not wait for it, and somebody who opens no panel does not need it.
let library = null;

export function Chart({ stock }) {
  const element = useRef(null);
  const [isBroken, setBroken] = useState(false);

  useEffect(() => {
    let view = null;
    let undo = () => {};
    let isGone = false;
    library ??= import("./vendor/lightweight-charts.js");
    library.then(
      (module) => {
        if (isGone) return;
        view = new ChartView(module, element.current, stock);
        stock.views.add(view);
        const stopTicking = addView(view);
        const stopColours = colours.subscribe(() => view.colour());
        undo = () => {
          stopTicking();
          stopColours();
          stock.views.delete(view);
          view.close();
        };
      },
      () => setBroken(true),
    );
    return () => {
      isGone = true;
      undo();
    };
  }, [stock]);

  return html`
    <figure class="chart">
      <div class="canvas" ref=${element} role="img" aria-label=${`Chart of the prices of ${stock.symbol} since you opened this page`}>
        ${isBroken && html`<p class="quiet-note">The chart could not be loaded.</p>`}
      </div>
      <figcaption>Prices since you opened this page · <a href="https://www.tradingview.com/" target="_blank" rel="noopener noreferrer">Charts by TradingView</a></figcaption>
    </figure>
  `;
}
