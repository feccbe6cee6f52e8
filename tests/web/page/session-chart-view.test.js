import { FakeElement } from "./browser.js";
import assert from "node:assert/strict";
import { test } from "node:test";

import { advance, START_MS } from "./clock.js";
import { SessionChartView } from "../../../src/stocktrack/web/page/chart/session-chart-view.js";
import { clockTime, shortClockTime } from "../../../src/stocktrack/web/page/figures/format.js";
import { Stock } from "../../../src/stocktrack/web/page/session/stock.js";
import { colours } from "../../../src/stocktrack/web/page/base/theme.js";

/** lightweight-charts as far as the view uses it; it remembers what it was told. */
class FakeChart {
  range = null;
  isRemoved = false;
  series = { points: [], sets: 0, options: {} };
  options = {};

  constructor(options) {
    this.applyOptions(options);
  }

  applyOptions(options) {
    this.options = { ...this.options, ...options };
  }

  addSeries(_, options) {
    const { series } = this;
    Object.assign(series.options, options);
    series.applyOptions = (more) => Object.assign(series.options, more);
    series.setData = (points) => {
      series.points = points;
      series.sets += 1;
    };
    series.update = (point) => {
      series.points = [...series.points.filter(({ time }) => time !== point.time), point];
    };
    return series;
  }

  priceScale() {
    return { width: () => 60 };
  }

  timeScale() {
    return {
      getVisibleLogicalRange: () => this.range,
      setVisibleLogicalRange: (range) => {
        this.range = range;
      },
    };
  }

  remove() {
    this.isRemoved = true;
  }
}

function aChart(...prices) {
  const stock = new Stock("AAPL");
  let second = 0;
  const deliver = (price) => {
    stock.take({ price, received_at: START_MS + second * 1_000, seq: second, stale: false });
    second += 1;
  };
  prices.forEach(deliver);
  let chart = null;
  const library = {
    createChart: (_, options) => {
      chart = new FakeChart(options);
      return chart;
    },
    BaselineSeries: "baseline",
    CrosshairMode: { Magnet: "magnet" },
    LineStyle: { Dotted: "dotted" },
    TickMarkType: { TimeWithSeconds: "with seconds", Time: "time" },
  };
  const element = new FakeElement("DIV");
  const view = new SessionChartView(library, element, stock);
  return { view, chart, element, stock, deliver, values: () => chart.series.points.map(({ value }) => value) };
}

test("a new chart has the whole session, with its first price as the line between green and red", () => {
  const { chart, values } = aChart(100, 101, 99);
  assert.deepEqual(values(), [100, 101, 99]);
  assert.deepEqual(chart.series.points.map(({ time }) => time - START_MS / 1_000), [0, 1, 2]);
  assert.deepEqual(chart.series.options.baseValue, { type: "price", price: 100 });
});

test("without a price nothing is drawn until there is one", async () => {
  const { view, chart, deliver, values } = aChart();
  assert.equal(chart.series.sets, 0);
  deliver(100);
  view.paint();
  assert.deepEqual(values(), [100]);
});

test("new prices are added four times a second at most, and the last one is not left out", async () => {
  const { view, chart, deliver, values } = aChart(100);
  for (const price of [101, 102, 103]) {
    deliver(price);
    view.paint();
  }
  assert.deepEqual(values(), [100]);
  await advance(250);
  assert.deepEqual([values(), chart.series.sets], [[100, 101, 102, 103], 1]);
});

test("a price within the newest second takes the place of the one before", async () => {
  const { view, stock, values } = aChart(100, 101);
  stock.take({ price: 105, received_at: START_MS + 1_500, seq: 9, stale: false });
  await advance(250);
  view.tick();
  assert.deepEqual(values(), [100, 105]);
});

test("when the history has thinned out its points the chart is drawn anew", async () => {
  const { view, chart, deliver, stock } = aChart(1);
  for (let price = 2; price <= 1_025; price += 1) deliver(price);
  view.tick();
  assert.deepEqual([chart.series.sets, chart.series.points.length], [2, stock.history.length]);
});

test("a young session is not stretched, and a long one stays in sight as a whole", () => {
  const { view, chart, deliver } = aChart(1, 2);
  assert.deepEqual(chart.range, { from: -2, to: 60 });
  for (let price = 3; price <= 200; price += 1) deliver(price);
  view.tick();
  assert.deepEqual(chart.range, { from: -2, to: 208 });
});

test("what a person has zoomed to or scrolled to stays", () => {
  const { view, chart, deliver } = aChart(1, 2);
  chart.range = { from: 10, to: 30 };
  for (let price = 3; price <= 200; price += 1) deliver(price);
  view.tick();
  assert.deepEqual(chart.range, { from: 10, to: 30 });
});

test("the axis shows the time of the clock on the wall, with seconds where its marks are that fine", () => {
  const { chart, element } = aChart(...Array.from({ length: 61 }, (_, place) => 100 + place));
  element.clientWidth = 360; // of which the plot has 300
  const { tickMarkFormatter } = chart.options.timeScale;
  const at = START_MS + 30_000;
  assert.equal(tickMarkFormatter(at / 1_000, "with seconds"), clockTime(at));
  assert.equal(tickMarkFormatter(at / 1_000, "time"), shortClockTime(at));
  assert.equal(chart.options.localization.timeFormatter(at / 1_000), clockTime(at));
  assert.equal(tickMarkFormatter(START_MS / 1_000, "time"), "", "the edge would cut it");
});

test("prices on the axis have the digits and the commas of the page", () => {
  const { chart } = aChart(1.0845);
  const { minMove, formatter } = chart.series.options.priceFormat;
  assert.deepEqual([minMove, formatter(67340)], [10 ** -4, "67,340.0000"]);
});

test("another theme colours the chart anew", () => {
  const { view, chart } = aChart(100);
  colours.value = { up: "#00ff00", down: "#ff0000", muted: "grey", line: "faint" };
  view.colour();
  assert.deepEqual([chart.series.options.topLineColor, chart.series.options.bottomFillColor2, chart.options.layout.textColor], ["#00ff00", "#ff000040", "grey"]);
});

test("a chart that is closed is removed, and draws nothing that was still to come", async () => {
  const { view, chart, deliver, values } = aChart(100);
  deliver(101);
  view.paint();
  view.close();
  await advance(1_000);
  assert.deepEqual([chart.isRemoved, values()], [true, [100]]);
});
