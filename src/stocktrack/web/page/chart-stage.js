// The place of the chart in the panel: has what draws it loaded when it is needed, and the right view in it.

import { addView } from "./painter.js";
import { colours } from "./theme.js";

// Loaded with the first chart: the board does not wait for it, and somebody who opens no panel does not need it.
let drawing = null;

/** Load what draws: the library and the views. It may take its time while the bars are asked for. */
function loadDrawing() {
  drawing ??= Promise.all([import("./vendor/lightweight-charts.js"), import("./bar-chart-view.js"), import("./session-chart-view.js")]).then(
    ([library, { BarChartView }, { SessionChartView }]) => ({ library, BarChartView, SessionChartView }),
  );
  return drawing;
}

/** Where one stock's chart is drawn. */
export class ChartStage {
  #element;
  #stock;
  #tell;
  #view = null;
  #undo = () => {};
  #wanted = null;

  /** `tell` is given each new legend of a chart of bars. */
  constructor(element, stock, tell) {
    loadDrawing().catch(() => {}); // `show` tells it
    this.#element = element;
    this.#stock = stock;
    this.#tell = tell;
  }

  /** Show what `loadBars` told, {kind: "bars"} or {kind: "session"}; nothing at all with null. Rejects without the library. */
  async show(wanted) {
    this.#wanted = wanted;
    const { library, BarChartView, SessionChartView } = await loadDrawing();
    if (this.#wanted !== wanted) return;
    if (wanted === null) {
      this.#use(null);
    } else if (wanted.kind === "session") {
      if (!(this.#view instanceof SessionChartView)) this.#use(new SessionChartView(library, this.#element, this.#stock));
    } else {
      if (!(this.#view instanceof BarChartView)) this.#use(new BarChartView(library, this.#element, this.#stock, this.#tell));
      this.#view.show(wanted.priceBars, wanted);
    }
  }

  /** Move the crosshair by so many bars. */
  step(bars) {
    this.#view?.step?.(bars);
  }

  /** Take the crosshair away. */
  unpoint() {
    this.#view?.point?.(null);
  }

  close() {
    this.#wanted = undefined;
    this.#use(null);
  }

  #use(view) {
    this.#undo();
    this.#view?.close();
    this.#view = view;
    this.#undo = () => {};
    if (!view) return;
    const { views } = this.#stock;
    views.add(view);
    const stopTicking = addView(view);
    const stopColours = colours.subscribe(() => view.colour());
    this.#undo = () => {
      stopTicking();
      stopColours();
      views.delete(view);
    };
  }
}
