import { FakeElement } from "./browser.js";
import assert from "node:assert/strict";
import { test } from "node:test";

import { aPrice, aReply, bar, DAY, MINUTE, OPENS } from "./bars.js";
import { advance } from "./clock.js";
import { BarChartView } from "../../../src/stocktrack/web/page/chart/bar-chart-view.js";
import { PriceBars } from "../../../src/stocktrack/web/page/session/price-bars.js";
import { Stock } from "../../../src/stocktrack/web/page/session/stock.js";
import { colours } from "../../../src/stocktrack/web/page/base/theme.js";

colours.value = { up: "#00ff00", down: "#ff0000", muted: "#808080", line: "#eeeeee", surface: "#ffffff" };

/** A series of lightweight-charts as far as the view uses it; it remembers what it was told. */
class FakeSeries {
  points = [];
  sets = 0;
  lines = [];
  margins = null;

  constructor(kind, options) {
    this.kind = kind;
    this.options = { ...options };
  }

  applyOptions(options) {
    Object.assign(this.options, options);
  }

  setData(points) {
    this.points = points;
    this.sets += 1;
  }

  update(point) {
    assert.ok(!this.points.length || point.time >= this.points.at(-1).time, "the library refuses what is older");
    this.points = [...this.points.filter(({ time }) => time !== point.time), point];
  }

  attachPrimitive(primitive) {
    primitive.attached({ chart: null, requestUpdate() {} });
    this.shade = primitive;
  }

  createPriceLine(options) {
    const line = { options, applyOptions: (more) => Object.assign(line.options, more) };
    this.lines.push(line);
    return line;
  }

  removePriceLine(line) {
    this.lines = this.lines.filter((each) => each !== line);
  }

  priceScale() {
    return { applyOptions: ({ scaleMargins }) => { this.margins = scaleMargins; } };
  }
}

class FakeChart {
  options = {};
  all = [];
  range = null;
  crosshair = null;
  isRemoved = false;
  hear = {};

  applyOptions(options) {
    this.options = { ...this.options, ...options };
  }

  addSeries(kind, options) {
    const series = new FakeSeries(kind, options);
    this.all.push(series);
    return series;
  }

  removeSeries(series) {
    this.all = this.all.filter((each) => each !== series);
  }

  subscribeCrosshairMove(listener) {
    this.hear.crosshair = listener;
  }

  subscribeClick(listener) {
    this.hear.click = listener;
  }

  timeScale() {
    return {
      subscribeVisibleLogicalRangeChange: (listener) => { this.hear.range = listener; },
      subscribeSizeChange: (listener) => { this.hear.size = listener; },
      setVisibleLogicalRange: (range) => { this.range = range; },
    };
  }

  priceScale() {
    return { width: () => 60 };
  }

  setCrosshairPosition(price, time) {
    this.crosshair = { price, time };
  }

  clearCrosshairPosition() {
    this.crosshair = null;
  }

  remove() {
    this.isRemoved = true;
  }

  get prices() {
    return this.all.find(({ kind }) => kind !== "histogram");
  }

  get volumes() {
    return this.all.find(({ kind }) => kind === "histogram");
  }
}

function aView(quote = {}) {
  const stock = new Stock("AAPL");
  stock.take({ ...aPrice(101, 6 * MINUTE), ...quote });
  let chart = null;
  const element = Object.assign(new FakeElement("DIV"), { clientWidth: 400 });
  const library = {
    createChart: (_, options) => {
      chart = new FakeChart();
      chart.applyOptions(options);
      return chart;
    },
    AreaSeries: "area",
    CandlestickSeries: "candles",
    HistogramSeries: "histogram",
    CrosshairMode: { Magnet: "magnet" },
    LineStyle: { Dotted: "dotted", Dashed: "dashed" },
    TickMarkType: { Year: 0, Month: 1, DayOfMonth: 2, Time: 3, TimeWithSeconds: 4 },
  };
  const legends = [];
  const view = new BarChartView(library, element, stock, (legend) => legends.push(legend));
  const show = (reply, { range = "1d", isCandles = false, ...options } = {}) => {
    const bars = new PriceBars(reply, options);
    stock.followers.add(bars);
    view.show(bars, { range, isCandles });
    return bars;
  };
  return { view, chart, stock, show, legends, element, values: () => chart.prices.points.map(({ value }) => value) };
}

test("a line has the closes at the times of the exchange, and what was traded at the foot", () => {
  const { chart, show, values } = aView();
  show(aReply([100, 101]));
  assert.deepEqual([chart.prices.kind, values()], ["area", [100, 101]]);
  assert.equal(chart.prices.points[0].time, Date.parse("2026-11-27T09:30Z") / 1_000);
  assert.deepEqual(chart.volumes.points.map(({ value }) => value), [10, 10]);
});

test("candles have all four prices, and the line comes back", () => {
  const { chart, show } = aView();
  show(aReply([100]), { isCandles: true });
  const { open, high, low, close } = chart.prices.points[0];
  assert.deepEqual([chart.prices.kind, open, high, low, close], ["candles", 100, 101, 99, 100]);
  show(aReply([100]));
  assert.deepEqual(chart.all.map(({ kind }) => kind), ["histogram", "area"]);
});

test("without volumes there is no strip for them, and with the first one there is", () => {
  const { chart, show, stock, view } = aView({ volume: 5 });
  const bars = show(aReply([], { bars: [bar(OPENS, 100, { volume: undefined })] }), { quote: stock.quote });
  assert.deepEqual([chart.volumes, chart.prices.margins.bottom], [undefined, 0.08]);
  stock.take(aPrice(102, 7 * MINUTE, { volume: 8 }));
  view.tick();
  assert.deepEqual([bars.last.volume, chart.volumes.points.map(({ value }) => value), chart.prices.margins.bottom], [3, [undefined, 3], 0.2]);
});

test("pushed prices move the last bar and begin the next, four times a second at most, and the last one is not left out", async () => {
  const { chart, show, stock, view, values } = aView();
  show(aReply([100, 101]));
  for (const [price, minutes] of [[102, 7], [103, 8], [104, 11]]) {
    stock.take(aPrice(price, minutes * MINUTE));
    view.paint();
  }
  assert.deepEqual(values(), [100, 101]);
  await advance(250);
  assert.deepEqual([values(), chart.prices.sets], [[100, 103, 104], 1]);
});

test("the day has the previous close as a dashed line, which no other range has", () => {
  const { chart, show } = aView({ change: 2 });
  show(aReply([100, 101]));
  const { price, title, lineStyle } = chart.prices.lines[0].options;
  assert.deepEqual([price, title, lineStyle], [99, "Prev close", "dashed"]);
  show(aReply([100, 101]), { range: "5d" });
  assert.deepEqual(chart.prices.lines, []);
});

test("a previous close is on the scale, unless it is so far away that the day would be a flat line", () => {
  const { chart, show, stock } = aView({ change: 2 });
  show(aReply([100, 101]));
  const scaled = () => chart.prices.options.autoscaleInfoProvider(() => ({ priceRange: { minValue: 100, maxValue: 102 } })).priceRange;
  assert.deepEqual(scaled(), { minValue: 99, maxValue: 102 });
  stock.take(aPrice(101, 7 * MINUTE, { change: 60 }));
  assert.deepEqual(scaled(), { minValue: 100, maxValue: 102 });
  assert.equal(chart.prices.options.autoscaleInfoProvider(() => null), null);
});

test("the line is green above what it is counted from and red below", () => {
  const { chart, show, stock, view } = aView({ change: 2 });
  show(aReply([100, 101]));
  assert.equal(chart.prices.options.lineColor, "#00ff00");
  stock.take(aPrice(97, 7 * MINUTE, { change: -2 }));
  view.tick();
  assert.equal(chart.prices.options.lineColor, "#ff0000");
});

test("the prices of the axis are written as everywhere on the page", () => {
  const { chart, show } = aView();
  show(aReply([100]));
  const { formatter, minMove } = chart.prices.options.priceFormat;
  assert.deepEqual([formatter(67340), minMove], ["67,340.00", 0.01]);
});

test("the axis has the exchange's time, and no label that an edge would cut", () => {
  const { chart, show } = aView();
  show(aReply(Array.from({ length: 30 }, () => 1)));
  const mark = (place) => chart.options.timeScale.tickMarkFormatter(chart.prices.points[place].time, 3);
  assert.deepEqual([mark(0), mark(6), mark(29)], ["", "10:00", ""]);
  assert.equal(chart.options.localization.timeFormatter(chart.prices.points[6].time), "Fri 27 Nov 10:00");
});

test("the legend tells the range, and the bar under the crosshair, a finger or the arrow keys", () => {
  const { view, chart, show, legends } = aView();
  show(aReply([100, 101, 102]));
  const title = () => [legends.at(-1).title, legends.at(-1).place];
  assert.deepEqual(title(), ["1D", 2]);
  chart.hear.crosshair({ time: chart.prices.points[1].time });
  assert.deepEqual(title(), ["Fri 27 Nov 09:35", 1]);
  chart.hear.crosshair({});
  assert.deepEqual(title(), ["1D", 2]);
  chart.hear.click({ time: chart.prices.points[0].time });
  assert.deepEqual([title(), chart.crosshair.price], [["Fri 27 Nov 09:30", 0], 100]);
  view.step(-1);
  assert.deepEqual(title(), ["Fri 27 Nov 09:30", 0]);
  view.step(5);
  assert.deepEqual(title(), ["Fri 27 Nov 09:40", 2]);
  view.point(null);
  assert.deepEqual([title(), chart.crosshair], [["1D", 2], null]);
  view.step(-1);
  assert.deepEqual(title(), ["Fri 27 Nov 09:35", 1]);
});

test("all bars are in sight, until a person zooms, and again with another range", async () => {
  const { chart, show, stock, view, element } = aView();
  show(aReply(Array.from({ length: 50 }, () => 1)));
  assert.deepEqual(chart.range, { from: -0.5, to: 50 });
  chart.range = null;
  chart.hear.size();
  assert.deepEqual(chart.range, { from: -0.5, to: 50 });
  await advance(60_000);
  chart.hear.range({ from: 3, to: 20 }); // of another width: nobody touched it
  stock.take(aPrice(2, 251 * MINUTE));
  view.tick();
  assert.ok(chart.range.to > 50);
  element.dispatchEvent(new Event("wheel"));
  chart.hear.range({ from: 30, to: 50 });
  chart.range = "zoomed";
  stock.take(aPrice(2, 256 * MINUTE));
  view.tick();
  show(aReply(Array.from({ length: 52 }, () => 1)));
  assert.equal(chart.range, "zoomed");
  show(aReply([1, 2]), { range: "5d" });
  assert.deepEqual(chart.range, { from: -0.5, to: 1.52 });
});

test("a few candles are not as broad as houses", () => {
  const { chart, show } = aView();
  show(aReply([100, 101]), { isCandles: true });
  assert.ok(chart.range.to > 20);
});

test("the hours outside of the regular ones are shaded where they are shown", () => {
  const { chart, show } = aView();
  const filled = [];
  const draw = () => {
    chart.prices.shade.attached({ chart: { timeScale: () => ({ logicalToCoordinate: (place) => (Number.isInteger(place) ? place : 0) }) }, requestUpdate() {} });
    chart.prices.shade.paneViews()[0].renderer().draw({ useBitmapCoordinateSpace: (to) => to({ context: { fillRect: (...box) => filled.push(box) }, bitmapSize: { height: 9 }, horizontalPixelRatio: 1 }) });
  };
  const reply = aReply([100, 101]);
  reply.bars.unshift(bar(OPENS - 5 * MINUTE, 99, { market_state: "pre" }));
  show(reply, { hasExtended: true });
  draw();
  assert.deepEqual(filled, [[-0.5, 0, 1, 9]]);
});

test("another theme colours it anew, before and after there are bars", () => {
  const { view, chart, show } = aView();
  view.colour();
  show(aReply([100], { interval: "1d", bars: [bar(OPENS - DAY, 90), bar(OPENS, 100)] }), { range: "1y" });
  colours.value = { ...colours.value, up: "#00aa00", muted: "#101010" };
  view.colour();
  colours.value = { ...colours.value, up: "#00ff00", muted: "#808080" };
  assert.deepEqual([chart.prices.options.lineColor, chart.options.layout.textColor, chart.volumes.options.color], ["#00aa00", "#101010", "#b7b7b7"]);
});

test("a chart that is closed is removed, and draws nothing that was still to come", async () => {
  const { view, chart, show, stock, values } = aView();
  show(aReply([100]));
  stock.take(aPrice(101, MINUTE));
  view.paint();
  view.close();
  await advance(1_000);
  assert.deepEqual([chart.isRemoved, values()], [true, [100]]);
});
