// Draws the prices since the page was opened, where nobody has earlier ones, with TradingView's lightweight-charts, and
// keeps all of them in sight until the person zooms or scrolls. Its logo is off, as in bar-chart-view.js.

import { frameColours } from "./chart-colours.js";
import { isCutAt, placeIn } from "./edges.js";
import * as format from "../figures/format.js";
import { withLevels } from "./levels.js";
import { colours } from "../base/theme.js";

const UPDATE_MS = 250;
const FEWEST_SLOTS = 60;
// About as wide is half a label on the axis of the time: "15:45:30".
const HALF_LABEL_WIDTH = 28;

/** The chart of one stock in `element`; `library` is the module of lightweight-charts. */
export class SessionChartView {
  isSeen = true;
  #element;
  #stock;
  #chart;
  #series;
  #generation = -1;
  #digits;
  #drawn = 0;
  #updatedAt = 0;
  #range = null;
  #later = 0;
  #levels = [];

  constructor(library, element, stock) {
    this.#element = element;
    const { createChart, BaselineSeries, CrosshairMode, LineStyle, TickMarkType } = library;
    this.#stock = stock;
    this.#chart = createChart(element, {
      autoSize: true,
      layout: { background: { color: "transparent" }, attributionLogo: false, fontSize: 11 },
      grid: { vertLines: { visible: false } },
      // It stands at the price that is pointed at, where an alert would be set.
      crosshair: { mode: CrosshairMode.Normal },
      rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.12, bottom: 0.1 } },
      timeScale: {
        borderVisible: false,
        timeVisible: true,
        secondsVisible: true,
        rightOffset: 2,
        // By itself it would hold the newest price where it stands and push the first ones out of sight.
        shiftVisibleRangeOnNewBar: false,
        // It shows UTC by itself; a person reads the time of the clock on the wall.
        tickMarkFormatter: (time, type) => {
          if (this.#isAtEdge(time)) return "";
          return type === TickMarkType.TimeWithSeconds ? format.clockTime(time * 1000) : format.shortClockTime(time * 1000);
        },
      },
      localization: { timeFormatter: (time) => format.clockTime(time * 1000) },
      // Scrolling a page on a phone must not end in the chart.
      handleScroll: { vertTouchDrag: false },
    });
    this.#series = this.#chart.addSeries(BaselineSeries, {
      lineWidth: 2,
      priceLineStyle: LineStyle.Dotted,
      priceFormat: priceFormat(stock.digits),
      autoscaleInfoProvider: (original) => {
        const info = original();
        return info?.priceRange && this.#levels.length ? { ...info, priceRange: withLevels(info.priceRange, this.#levels) } : info;
      },
    });
    this.#digits = stock.digits;
    this.colour();
    this.paint();
  }

  get chart() {
    return this.#chart;
  }

  /** Have these prices on the scale as well, where they are near enough. */
  set levels(prices) {
    this.#levels = prices;
  }

  get series() {
    return this.#series;
  }

  colour() {
    const { up, down } = colours.value;
    this.#chart.applyOptions(frameColours());
    this.#series.applyOptions({
      topLineColor: up,
      topFillColor1: `${up}40`,
      topFillColor2: `${up}05`,
      bottomLineColor: down,
      bottomFillColor1: `${down}05`,
      bottomFillColor2: `${down}40`,
    });
  }

  paint() {
    const wait = this.#updatedAt + UPDATE_MS - performance.now();
    if (this.#drawn > 0 && wait > 0) {
      this.#later ||= setTimeout(() => this.tick(), wait);
      return;
    }
    clearTimeout(this.#later);
    this.#later = 0;
    this.#updatedAt = performance.now();
    const { history } = this.#stock;
    if (history.length === 0) return;
    if (this.#stock.digits !== this.#digits) {
      this.#digits = this.#stock.digits;
      this.#series.applyOptions({ priceFormat: priceFormat(this.#digits) });
    }
    if (history.generation !== this.#generation) {
      this.#generation = history.generation;
      const points = Array.from({ length: history.length }, (_, index) => point(history, index));
      this.#series.applyOptions({ baseValue: { type: "price", price: history.prices[0] } });
      this.#series.setData(points);
      this.#range = null;
    } else {
      for (let index = Math.max(0, this.#drawn - 1); index < history.length; index += 1) this.#series.update(point(history, index));
    }
    this.#drawn = history.length;
    this.#showAll(history.length);
  }

  /** Show the whole session, unless the person has zoomed or scrolled. */
  #showAll(length) {
    const scale = this.#chart.timeScale();
    const now = scale.getVisibleLogicalRange();
    const isOurs = !this.#range || !now || (Math.abs(now.from - this.#range.from) < 0.5 && Math.abs(now.to - this.#range.to) < 0.5);
    // A young session is not stretched over the whole width.
    const range = { from: -2, to: Math.max(FEWEST_SLOTS, length * 1.04) };
    if (!isOurs || (this.#range && this.#range.to === range.to)) return;
    scale.setVisibleLogicalRange(range);
    this.#range = range;
    // The library remembers the labels that it was given until this option comes; others are at the edges now.
    this.#chart.applyOptions({ localization: { timeFormatter: (time) => format.clockTime(time * 1000) } });
  }

  /** Whether an edge would cut the label at a time. */
  #isAtEdge(time) {
    const range = this.#chart.timeScale().getVisibleLogicalRange() ?? this.#range;
    const place = placeIn(this.#stock.history.times, this.#stock.history.length, time * 1000);
    if (!range || place < 0) return false;
    return isCutAt(place, range, this.#element.clientWidth - this.#chart.priceScale("right").width(), HALF_LABEL_WIDTH);
  }

  tick() {
    this.#updatedAt = 0;
    this.paint();
  }

  close() {
    clearTimeout(this.#later);
    this.#chart.remove();
  }
}

function priceFormat(digits) {
  // As everywhere on the page, with its commas.
  return { type: "custom", minMove: 10 ** -digits, formatter: (price) => format.price(price, digits) };
}

function point(history, index) {
  return { time: history.times[index] / 1000, value: history.prices[index] };
}
