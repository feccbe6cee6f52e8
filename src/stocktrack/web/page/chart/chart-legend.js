// What stands over the chart: how the price moved over its range, or the figures of the bar under the crosshair.

import { timeOfBar } from "./chart-times.js";
import { isolated } from "../figures/directions.js";
import * as format from "../figures/format.js";
import { barsSaid, rangeOf } from "./ranges.js";

/** The close from which the day in `priceBars` sets out, where it is known. */
export function previousCloseOf(stock, { clock, last }) {
  const { quote } = stock;
  // Before the market opens the chart may show a day that the regular price is not of yet.
  const isOfEarlierDay = quote?.timestamp !== undefined && clock.dayNumber(quote.timestamp) < clock.dayNumber(last.time);
  return isOfEarlierDay ? quote.price : stock.previousClose;
}

/** The price from which the change over the whole range is counted. */
export function baseOf(stock, priceBars, range) {
  const close = range === "1d" ? previousCloseOf(stock, priceBars) : undefined;
  return close ?? priceBars.first.open;
}

/**
 * The legend of the bar at `place`, or of all of them where that is null: {title, change, sign, note, figures}, each of
 * `figures` with a `label`, its word for a screen reader and a `text`.
 */
export function legendOf(stock, priceBars, range, place) {
  const { bars, last } = priceBars;
  const bar = place === null ? last : bars[place];
  const base = place === null || place === 0 ? baseOf(stock, priceBars, range) : bars[place - 1].close;
  const { digits, quote } = stock;
  const session = { pre: "before hours", post: "after hours" }[bar.market_state];
  const figures = [
    { label: "O", word: "open", text: format.price(bar.open, digits) },
    { label: "H", word: "high", text: format.price(bar.high, digits) },
    { label: "L", word: "low", text: format.price(bar.low, digits) },
    { label: "C", word: "close", text: format.price(bar.close, digits) },
  ];
  if (bar.volume !== undefined) figures.push({ label: "Vol", word: "volume", text: format.volume({ volume: bar.volume, volume_currency: quote?.volume_currency }) });
  return {
    title: place === null ? rangeOf(range).label : timeOfBar(priceBars, bar.time),
    change: base ? format.percent((bar.close / base - 1) * 100) : "",
    sign: Math.sign(bar.close - base),
    note: place === null ? overview(priceBars) : (session ?? ""),
    figures,
  };
}

function overview(priceBars) {
  const { clock, first, interval, isIntraday } = priceBars;
  const day = isIntraday ? clock.weekday(first.time) : timeOfBar(priceBars, first.time);
  const isOneDay = isIntraday && clock.dayNumber(first.time) === clock.dayNumber(priceBars.last.time);
  return `${isOneDay ? "" : "since "}${isolated(day)} · ${barsSaid(interval)}`;
}
