// All that draws a chart, in one piece that is brought with the first of them: the two views, and of TradingView's
// lightweight-charts what they use.

import {
  AreaSeries, BaselineSeries, CandlestickSeries, createChart, CrosshairMode, HistogramSeries, LineStyle, TickMarkType,
} from "../vendor/lightweight-charts.js";

export { BarChartView } from "./bar-chart-view.js";
export { SessionChartView } from "./session-chart-view.js";

/** What the views are given of the library. */
export const library = { AreaSeries, BaselineSeries, CandlestickSeries, createChart, CrosshairMode, HistogramSeries, LineStyle, TickMarkType };
