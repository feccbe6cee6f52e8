// The place of the chart in the panel: has what draws it loaded when it is needed, and the right view in it.

import { whenIdle } from "../base/later.js";
import { addView } from "../base/painter.js";
import { colours } from "../base/theme.js";

// Loaded with the first chart: the board does not wait for it, and somebody who opens no panel does not need it.
let drawing = null;

/** Load what draws: the library and the views. It may take its time while the bars are asked for. */
function loadDrawing() {
  // The first price of the page does not wait for it.
  drawing ??= whenIdle().then(() => import("./drawing.js")).catch((error) => {
    drawing = null; // the next chart tries again
    throw error;
  });
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
  #make = null;
  #decoration = null;
  #entered = () => {};

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
    this.#decoration?.attach();
  }

  /**
   * Have something drawn over each chart that is shown: `make` is given the library, the view (its `chart` and `series`)
   * and the element, and returns {attach(), colour(), close()}, of which `attach` is called when the series may be another
   * one. The returned function ends it.
   */
  decorate(make) {
    this.#make = make;
    this.#decorate();
    return () => {
      this.#make = null;
      this.#decorate();
    };
  }

  /** Have `action` called when somebody presses Enter on the chart; the returned function ends it. */
  onEnter(action) {
    this.#entered = action;
    return () => {
      this.#entered = () => {};
    };
  }

  /** Somebody pressed Enter on the chart. */
  enter() {
    this.#entered();
  }

  /** The price under the crosshair that the arrow keys move; undefined without one. */
  get crosshairPrice() {
    return this.#view?.crosshairPrice;
  }

  /** Where the chart is in its figure, and how wide its axis of prices is: {top, axisWidth} in pixels. */
  get place() {
    return { top: this.#element.parentElement.offsetTop, axisWidth: this.#view?.chart.priceScale("right").width() ?? 0 };
  }

  /** Whether an element is in the chart. */
  isAround(element) {
    return this.#element.contains(element);
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
    this.#decoration?.close();
    this.#decoration = null;
    this.#view?.close();
    this.#view = view;
    this.#undo = () => {};
    if (!view) return;
    const { views } = this.#stock;
    views.add(view);
    const stopTicking = addView(view);
    const stopColours = colours.subscribe(() => {
      view.colour();
      this.#decoration?.colour();
    });
    this.#undo = () => {
      stopTicking();
      stopColours();
      views.delete(view);
    };
    this.#decorate();
  }

  async #decorate() {
    this.#decoration?.close();
    this.#decoration = null;
    const [make, view] = [this.#make, this.#view];
    if (!make || !view) return;
    const { library } = await loadDrawing();
    if (make === this.#make && view === this.#view && !this.#decoration) this.#decoration = make(library, view, this.#element);
  }
}
