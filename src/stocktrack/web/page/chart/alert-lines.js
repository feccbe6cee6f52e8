// Draws the alerts at a price over a chart as lines that can be dragged, and tells at which price somebody points.

import { lineAt, lineOf, priceShown } from "../alerts/price-alerts.js";
import { colours } from "../base/theme.js";

// A finger is broader than a pointer.
const REACH_PX = { mouse: 6, pen: 10, touch: 16 };
// What moves no further than this was a click, or a tap.
const STILL_PX = 4;
const CAPTURE = { capture: true, passive: false };

/**
 * The lines over one view of a chart, which has a `chart`, its `series`, and `levels` to be on its scale. `tell` is given where somebody points:
 * {y, value, alert} with the alert's name where that is on its line, or null; `moved` the name of an alert that was
 * dragged, and its new value; it resolves when that is done or refused.
 */
export class AlertLines {
  #library;
  #view;
  #stage;
  #stock;
  #tell;
  #moved;
  #series = null;
  #wanted = [];
  #lines = new Map();
  #drag = null;
  // By name, the values of those that were dropped and are not moved yet.
  #underWay = new Map();
  #pressedAt = null;
  #isClosed = false;

  constructor({ library, view, stage, stock, tell, moved }) {
    this.#library = library;
    this.#view = view;
    this.#stage = stage;
    this.#stock = stock;
    this.#tell = tell;
    this.#moved = moved;
    for (const [type, listener] of this.#listeners) stage.addEventListener(type, listener, CAPTURE);
  }

  /** Show these alerts from now on. */
  show(alerts) {
    this.#wanted = alerts.map(lineOf);
    this.#view.levels = this.#wanted.map(({ value }) => value);
    this.attach();
  }

  /** Draw them on the series of the view, which may be another one than before. */
  attach() {
    if (this.#series !== this.#view.series) {
      this.#series = this.#view.series;
      this.#lines.clear();
    }
    if (!this.#series) return;
    const names = new Set(this.#wanted.map(({ alert }) => alert));
    for (const [name, line] of this.#lines) {
      if (names.has(name)) continue;
      this.#series.removePriceLine(line);
      this.#lines.delete(name);
    }
    for (const wanted of this.#wanted) {
      if (wanted.alert === this.#drag?.alert) continue;
      const line = this.#lines.get(wanted.alert);
      const look = this.#look({ ...wanted, value: this.#underWay.get(wanted.alert) ?? wanted.value });
      if (line) line.applyOptions(look);
      else this.#lines.set(wanted.alert, this.#series.createPriceLine(look));
    }
  }

  colour() {
    this.attach();
  }

  close() {
    this.#isClosed = true;
    this.#endDrag();
    for (const [type, listener] of this.#listeners) this.#stage.removeEventListener(type, listener, CAPTURE);
    this.#tell(null);
  }

  #look({ value, title, isArmed }) {
    const { accent, muted } = colours.value;
    const { LineStyle } = this.#library;
    const colour = isArmed ? accent : muted;
    return { price: value, title, color: colour, lineWidth: 1, lineStyle: isArmed ? LineStyle.Solid : LineStyle.Dotted, axisLabelVisible: true, axisLabelColor: colour };
  }

  /** The height in the plot that an event is at, or null where it is beside it. */
  #heightOf({ clientX, clientY }) {
    const { left, top } = this.#stage.getBoundingClientRect();
    const [x, y] = [clientX - left, clientY - top];
    const { chart } = this.#view;
    const width = this.#stage.clientWidth - chart.priceScale("right").width();
    const height = this.#stage.clientHeight - chart.timeScale().height();
    return x >= 0 && x <= width && y >= 0 && y < height ? y : null;
  }

  #lineNear(y, type) {
    const still = this.#wanted.filter(({ alert }) => !this.#underWay.has(alert));
    const seen = still.map((line) => ({ ...line, y: this.#series?.priceToCoordinate(line.value) })).filter(({ y: at }) => at !== null && at !== undefined);
    return lineAt(seen, y, REACH_PX[type] ?? REACH_PX.mouse);
  }

  #valueAt(y) {
    const value = this.#series?.coordinateToPrice(y) ?? null;
    return value === null ? null : priceShown(value, this.#stock.digits);
  }

  #point(y, type) {
    const near = y === null ? undefined : this.#lineNear(y, type);
    this.#stage.classList.toggle("on-a-line", near !== undefined);
    const value = y === null ? null : (near?.value ?? this.#valueAt(y));
    this.#tell(value === null ? null : { y: near?.y ?? y, value, alert: near?.alert });
  }

  #down = (event) => {
    if (event.target.closest("button")) return;
    const y = this.#heightOf(event);
    this.#pressedAt = y;
    const near = y === null || event.button ? undefined : this.#lineNear(y, event.pointerType);
    if (!near) return;
    this.#drag = { alert: near.alert, from: y, value: near.value, isMoving: false };
    // The chart would scroll along.
    this.#view.chart.applyOptions({ handleScroll: false, handleScale: false });
    addEventListener("pointermove", this.#dragged);
    addEventListener("pointerup", this.#dropped);
    addEventListener("pointercancel", this.#givenUp);
    addEventListener("keydown", this.#key, { capture: true });
  };

  #move = (event) => {
    if (this.#drag || event.pointerType === "touch") return;
    if (event.target.closest("button")) return;
    this.#point(event.buttons ? null : this.#heightOf(event), event.pointerType);
  };

  #up = (event) => {
    if (this.#drag || event.pointerType !== "touch" || event.target.closest("button")) return;
    const y = this.#heightOf(event);
    // A finger points by a tap.
    if (y !== null && this.#pressedAt !== null && Math.abs(y - this.#pressedAt) <= STILL_PX * 2) this.#point(y, "touch");
  };

  #leave = (event) => {
    if (event.target !== this.#stage || this.#drag || event.pointerType === "touch") return;
    // Somebody goes to press it.
    if (event.relatedTarget?.closest?.(".at-crosshair")) return;
    this.#point(null);
  };

  /** The page does not scroll under a finger that drags a line; `pointerdown` comes before this. */
  #hold = (event) => {
    if (this.#drag) event.preventDefault();
  };

  #listeners = [["pointerdown", this.#down], ["pointermove", this.#move], ["pointerup", this.#up], ["pointerleave", this.#leave], ["touchstart", this.#hold]];

  #dragged = (event) => {
    const drag = this.#drag;
    const y = this.#heightOf(event);
    if (y === null || (!drag.isMoving && Math.abs(y - drag.from) < STILL_PX)) return;
    const value = this.#valueAt(y);
    if (value === null) return;
    drag.isMoving = true;
    drag.value = value;
    this.#stage.classList.add("is-dragging");
    this.#lines.get(drag.alert)?.applyOptions({ price: value });
    this.#tell(null);
  };

  #dropped = async () => {
    const { alert, value, isMoving } = this.#drag;
    // It stays where it was dropped until the server has answered, and is not moved twice at once.
    if (isMoving) this.#underWay.set(alert, value);
    this.#endDrag();
    if (!isMoving) return;
    await this.#moved(alert, value);
    this.#underWay.delete(alert);
    if (!this.#isClosed) this.attach();
  };

  #givenUp = () => this.#endDrag();

  #key = (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    this.#endDrag();
  };

  #endDrag() {
    if (!this.#drag) return;
    this.#drag = null;
    this.#stage.classList.remove("is-dragging");
    this.#view.chart.applyOptions({ handleScroll: { vertTouchDrag: false, horzTouchDrag: true, mouseWheel: true, pressedMouseMove: true }, handleScale: true });
    removeEventListener("pointermove", this.#dragged);
    removeEventListener("pointerup", this.#dropped);
    removeEventListener("pointercancel", this.#givenUp);
    removeEventListener("keydown", this.#key, { capture: true });
    this.attach();
  }
}
