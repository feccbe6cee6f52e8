// Draws past prices with TradingView's lightweight-charts, and carries them on with those that are pushed: a line or
// candles, what was traded at the foot, the hours outside of the regular ones shaded, and the previous close.
//
// The library brings its logo with a style element, which the page's Content-Security-Policy refuses. The logo is off,
// and the panel shows the name and the link that its licence asks for.

import { frameColours } from "./chart-colours.js";
import { baseOf, legendOf, previousCloseOf } from "./chart-legend.js";
import { ChartTimes } from "./chart-times.js";
import * as format from "../figures/format.js";
import { isCutAt } from "./edges.js";
import { HoursShade } from "./hours-shade.js";
import { withLevels } from "./levels.js";
import { colours } from "../base/theme.js";

const UPDATE_MS = 250;
// A day and a night of short bars is more than there are pixels on a phone.
const LEAST_BAR_SPACING = 0.02;
// Fewer candles than these would be as broad as houses.
const FEWEST_CANDLES = 24;
// What a person does to the chart moves it no longer than this afterwards.
const TOUCH_MS = 1_500;
// About as wide is half a label on the axis of the time: "28. Nov.".
const HALF_LABEL_WIDTH = 25;
const VOLUME_SCALE = "volume";

/** The chart of one stock in `element`; `library` is the module of lightweight-charts. `tell` is given each new legend. */
export class BarChartView {
  isSeen = true;
  #library;
  #element;
  #stock;
  #tell;
  #chart;
  #shown = null;
  #prices = null;
  #volumes = null;
  #shade = null;
  #closeLine = null;
  #times = null;
  #place = null;
  #drawn = 0;
  #told = "";
  #look = "";
  #updatedAt = 0;
  #later = 0;
  #range = null;
  #isZoomed = false;
  #levels = [];
  #touchedAt = -Infinity;

  constructor(library, element, stock, tell) {
    const { createChart, CrosshairMode, TickMarkType } = library;
    this.#library = library;
    this.#element = element;
    this.#stock = stock;
    this.#tell = tell;
    this.#chart = createChart(element, {
      autoSize: true,
      layout: { background: { color: "transparent" }, attributionLogo: false, fontSize: 11 },
      grid: { vertLines: { visible: false } },
      // It stands at the price that is pointed at, where an alert would be set.
      crosshair: { mode: CrosshairMode.Normal },
      rightPriceScale: { borderVisible: false },
      timeScale: {
        borderVisible: false,
        timeVisible: true,
        secondsVisible: false,
        minBarSpacing: LEAST_BAR_SPACING,
        // By itself it would hold the newest bar where it stands and push the first ones out of sight.
        shiftVisibleRangeOnNewBar: false,
        tickMarkFormatter: (time, type) => (this.#isAtEdge(time) ? "" : (this.#times?.tickLabel(time, type, TickMarkType) ?? "")),
      },
      // Scrolling a page on a phone must not end in the chart.
      handleScroll: { vertTouchDrag: false },
    });
    this.#chart.subscribeCrosshairMove(({ time }) => this.#pointedAt(time));
    // The tap of a finger moves no crosshair.
    this.#chart.subscribeClick(({ time }) => time !== undefined && this.point(this.#times?.placeOf(time) ?? null));
    const scale = this.#chart.timeScale();
    scale.subscribeVisibleLogicalRangeChange((range) => this.#moved(range));
    scale.subscribeSizeChange(() => this.#showAll({ isAnew: true }));
    for (const type of ["wheel", "pointerdown", "pointermove", "touchmove"]) element.addEventListener(type, this.#touch, { passive: true });
  }

  /** Show other bars, of the range of that key; as candles, or as a line. */
  show(priceBars, { range, isCandles }) {
    const isSameView = this.#shown?.range === range && this.#shown.isCandles === isCandles && this.#shown.priceBars.interval === priceBars.interval;
    if (!isSameView) {
      this.#isZoomed = false;
      this.#place = null;
      this.#chart.clearCrosshairPosition();
    }
    if (this.#shown?.isCandles !== isCandles || !this.#prices) this.#makePrices(isCandles);
    this.#shown = { priceBars, range, isCandles };
    this.#times = new ChartTimes(priceBars);
    this.#drawn = 0;
    this.#look = "";
    if (!isSameView) this.#range = null;
    if (this.#place >= priceBars.length) this.#place = null;
    this.#makeVolumes(priceBars.hasVolume);
    this.tick();
  }

  get chart() {
    return this.#chart;
  }

  /** What other things may be drawn on; another one when candles become a line. */
  get series() {
    return this.#prices;
  }

  /** Have these prices on the scale as well, where they are near enough. */
  set levels(prices) {
    this.#levels = prices;
  }

  /** The close of the bar that the crosshair stands on; undefined without one. */
  get crosshairPrice() {
    return this.#place === null ? undefined : this.#shown?.priceBars.bars[this.#place].close;
  }

  /** Move the crosshair by so many bars; from the newest one where there is none. */
  step(bars) {
    if (!this.#shown) return;
    const end = this.#shown.priceBars.length - 1;
    this.point(Math.max(0, Math.min(end, (this.#place ?? end) + bars)));
  }

  /** Put the crosshair on the bar at a place; null takes it away. */
  point(place) {
    if (!this.#shown) return;
    this.#place = place;
    if (place === null) this.#chart.clearCrosshairPosition();
    else this.#chart.setCrosshairPosition(this.#shown.priceBars.bars[place].close, this.#times.at(place), this.#prices);
    this.#tellLegend();
  }

  colour() {
    this.#chart.applyOptions(frameColours());
    this.#look = "";
    this.#colourPrices();
  }

  paint() {
    const wait = this.#updatedAt + UPDATE_MS - performance.now();
    if (wait > 0) {
      this.#later ||= setTimeout(() => this.tick(), wait);
      return;
    }
    this.tick();
  }

  tick() {
    clearTimeout(this.#later);
    this.#later = 0;
    if (!this.#shown) return;
    this.#updatedAt = performance.now();
    this.#draw();
    this.#colourPrices();
    this.#showAll();
    this.#tellLegend();
  }

  close() {
    clearTimeout(this.#later);
    for (const type of ["wheel", "pointerdown", "pointermove", "touchmove"]) this.#element.removeEventListener(type, this.#touch);
    this.#chart.remove();
  }

  #makePrices(isCandles) {
    const { AreaSeries, CandlestickSeries, LineStyle } = this.#library;
    if (this.#prices) this.#chart.removeSeries(this.#prices);
    this.#prices = this.#chart.addSeries(isCandles ? CandlestickSeries : AreaSeries, {
      lineWidth: 2,
      priceLineStyle: LineStyle.Dotted,
      autoscaleInfoProvider: (original) => this.#scaled(original()),
    });
    this.#shade = new HoursShade();
    this.#prices.attachPrimitive(this.#shade);
    this.#closeLine = null;
  }

  #makeVolumes(isThere) {
    if (isThere && !this.#volumes) {
      this.#volumes = this.#chart.addSeries(this.#library.HistogramSeries, {
        priceScaleId: VOLUME_SCALE,
        lastValueVisible: false,
        priceLineVisible: false,
        priceFormat: { type: "volume" },
      });
      this.#volumes.priceScale().applyOptions({ scaleMargins: { top: 0.84, bottom: 0 } });
    } else if (!isThere && this.#volumes) {
      this.#chart.removeSeries(this.#volumes);
      this.#volumes = null;
    }
    // Where nobody counts what is traded, there is no empty strip.
    this.#prices.priceScale().applyOptions({ scaleMargins: { top: 0.08, bottom: isThere ? 0.2 : 0.08 } });
  }

  #draw() {
    const { priceBars } = this.#shown;
    const { length } = priceBars;
    const isNew = this.#drawn === 0;
    const from = Math.max(0, this.#drawn - 1);
    const points = [];
    for (let place = from; place < length; place += 1) points.push(this.#valuesAt(place));
    if (isNew) {
      this.#prices.setData(points.map(({ price }) => price));
      this.#volumes?.setData(points.map(({ volume }) => volume));
    } else {
      for (const { price, volume } of points) {
        this.#prices.update(price);
        this.#volumes?.update(volume);
      }
    }
    this.#drawn = length;
    if (!this.#volumes && priceBars.last.volume > 0) {
      // The first of them that is known.
      this.#makeVolumes(true);
      this.#volumes.setData(priceBars.bars.map((_, place) => this.#valuesAt(place).volume));
      this.#look = "";
    }
  }

  #valuesAt(place) {
    const bar = this.#shown.priceBars.bars[place];
    const time = this.#times.at(place);
    const { open, high, low, close, volume } = bar;
    return {
      price: this.#shown.isCandles ? { time, open, high, low, close } : { time, value: close },
      volume: volume > 0 ? { time, value: volume } : { time },
    };
  }

  /** Colours, digits, shades and the previous close: only where something of it is another than before. */
  #colourPrices() {
    if (!this.#shown) return;
    const { priceBars, range, isCandles } = this.#shown;
    const { digits } = this.#stock;
    const close = range === "1d" ? previousCloseOf(this.#stock, priceBars) : undefined;
    const sign = Math.sign(priceBars.last.close - baseOf(this.#stock, priceBars, range));
    const look = `${digits} ${close} ${sign} ${priceBars.length}`;
    if (look === this.#look) return;
    this.#look = look;
    const { up, down, muted, surface } = colours.value;
    const colour = sign < 0 ? down : up;
    this.#prices.applyOptions({
      // As everywhere on the page, with its commas.
      priceFormat: { type: "custom", minMove: 10 ** -digits, formatter: (price) => format.price(price, digits) },
      ...(isCandles
        ? { upColor: up, downColor: down, wickUpColor: up, wickDownColor: down, borderVisible: false }
        : { lineColor: colour, topColor: `${colour}38`, bottomColor: `${colour}05` }),
    });
    // Not transparent: bars that are narrower than a pixel lie upon each other.
    this.#volumes?.applyOptions({ color: mixed(surface, muted, 0.3) });
    this.#shade.show(priceBars.hasExtended ? priceBars.bars : [], `${muted}1c`);
    this.#drawClose(close, muted);
  }

  #drawClose(close, colour) {
    if (close === undefined) {
      if (this.#closeLine) this.#prices.removePriceLine(this.#closeLine);
      this.#closeLine = null;
      return;
    }
    const line = { price: close, color: colour, lineWidth: 1, lineStyle: this.#library.LineStyle.Dashed, axisLabelVisible: true, title: "Prev close" };
    if (this.#closeLine) this.#closeLine.applyOptions(line);
    else this.#closeLine = this.#prices.createPriceLine(line);
  }

  /** The scale of the prices with the previous close and the levels on it, unless those are far away. */
  #scaled(info) {
    if (!info?.priceRange || !this.#shown) return info;
    const close = this.#shown.range === "1d" ? previousCloseOf(this.#stock, this.#shown.priceBars) : undefined;
    const levels = close === undefined ? this.#levels : [close, ...this.#levels];
    return levels.length ? { ...info, priceRange: withLevels(info.priceRange, levels) } : info;
  }

  /** Show all the bars, unless the person has zoomed or scrolled. */
  #showAll({ isAnew = false } = {}) {
    if (!this.#shown || this.#isZoomed) return;
    const { priceBars, isCandles } = this.#shown;
    const slots = isCandles ? Math.max(FEWEST_CANDLES, priceBars.length) : Math.max(2, priceBars.length);
    const to = slots - 0.5 + slots * 0.01;
    if (!isAnew && this.#range?.to === to) return;
    this.#range = { from: -0.5, to };
    this.#forgetLabels();
    this.#chart.timeScale().setVisibleLogicalRange(this.#range);
  }

  /** Whether an edge would cut the label at a time. */
  #isAtEdge(time) {
    const range = this.#isZoomed ? this.#chart.timeScale().getVisibleLogicalRange() : this.#range;
    if (!range) return false;
    const width = this.#element.clientWidth - this.#chart.priceScale("right").width();
    return isCutAt(this.#times.placeOf(time), range, width, HALF_LABEL_WIDTH);
  }

  /** Have the labels of the axis asked for anew: the library remembers those that it was given until this option comes. */
  #forgetLabels() {
    const times = this.#times;
    this.#chart.applyOptions({ localization: { timeFormatter: (time) => times.label(time) } });
  }

  #touch = ({ type, buttons }) => {
    if (type !== "pointermove" || buttons) this.#touchedAt = performance.now();
  };

  #moved(range) {
    if (!range || !this.#range || performance.now() - this.#touchedAt > TOUCH_MS) return;
    this.#isZoomed = Math.abs(range.from - this.#range.from) > 0.5 || Math.abs(range.to - this.#range.to) > 0.5;
    // Other labels are at the edges now.
    this.#forgetLabels();
  }

  #pointedAt(time) {
    const place = time === undefined ? null : (this.#times?.placeOf(time) ?? null);
    if (place === this.#place) return;
    this.#place = place;
    this.#tellLegend();
  }

  #tellLegend() {
    if (!this.#shown) return;
    const { priceBars, range } = this.#shown;
    const end = priceBars.length - 1;
    const legend = { ...legendOf(this.#stock, priceBars, range, this.#place), place: this.#place ?? end, end };
    const told = JSON.stringify(legend);
    if (told === this.#told) return;
    this.#told = told;
    this.#tell(legend);
  }
}

/** The colour on the way from one to another, both as #rrggbb. */
function mixed(from, to, share) {
  const parts = [1, 3, 5].map((at) => {
    const [start, end] = [from, to].map((colour) => Number.parseInt(colour.slice(at, at + 2), 16));
    return Math.round(start + (end - start) * share).toString(16).padStart(2, "0");
  });
  return `#${parts.join("")}`;
}
