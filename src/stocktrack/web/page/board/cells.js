// The cells of a row, one for each column: what is in them, which texts make them as wide as they are, and what writes them.

import * as format from "../figures/format.js";
import { html } from "../base/html.js";
import { standingOf } from "./held.js";
import { dayRange, yearRange } from "./price-ranges.js";

const BAR_PX = 44;
const GAP_PX = 5;

/**
 * By the key of the column. `lines` are the parts that stand beside each other, a list for each line of the cell; `extra`
 * is what stands there besides, in px; `samples` are texts that there is always room for. `least` and `most` bound the
 * width in px, where a cell may be narrower than its text. `draw` gives what is in the cell, of which the elements with
 * `data-part` have texts; `write(write, stock, row)` writes them, and with `isOfDetails` only when a whole quote has come.
 */
export const CELLS = {
  symbol: { lines: [["symbol"]], most: 240, draw: () => null },
  name: {
    lines: [["name"]], least: 110, most: 320,
    draw: () => html`<span class="name" data-part="name" dir="auto"></span>`,
    write: (write, { details }) => write("name", details.name ?? details.exchange ?? ""),
  },
  price: {
    lines: [["price"]], samples: ["0,000.00"],
    draw: () => html`<span class="figure" data-part="price"></span>`,
    write: (write, { quote, digits }) => write("price", format.price(quote.price, digits)),
  },
  currency: {
    lines: [["currency"]], samples: ["USD"],
    draw: () => html`<span class="currency" data-part="currency"></span>`,
    write: (write, { quote }) => write("currency", quote.currency ?? ""),
  },
  change: {
    lines: [["change"]], samples: ["+00.00"],
    draw: () => html`<span data-part="change"></span>`,
    write: (write, { quote, digits }) => write("change", format.signed(quote.change, digits)),
  },
  percent: {
    lines: [["percent"]], samples: ["+00.00%"], extra: 12,
    draw: () => html`<span class="arrow" aria-hidden="true"></span><span data-part="percent"></span>`,
    write: (write, { quote }) => write("percent", format.percent(quote.change_percent)),
  },
  extended: {
    lines: [["session", "extended", "extended_percent"]], samples: [],
    draw: () => html`<span aria-hidden="true" data-part="session"></span><span class="unseen" data-part="session_said"></span> <span data-part="extended"></span> <span class="extended-moves" data-part="extended_percent"></span>`,
    write: (write, { extended, digits }) => {
      write("session", extended?.word ?? "");
      write("session_said", extended?.said ?? "");
      write("extended", extended ? format.price(extended.price, digits) : "");
      write("extended_percent", extended ? format.moved(extended, digits) : "");
    },
  },
  trend: { draw: () => html`<canvas data-part="trend" aria-hidden="true"></canvas><span class="unseen" data-part="trend_said"></span>` },
  range: {
    lines: [["range_low", "range_low"], ["range_high", "range_high"]], extra: BAR_PX + GAP_PX,
    draw: () => rangeCell("range"),
    write: (write, stock, row) => writeRange(write, row, "range", dayRange(stock), stock.digits),
  },
  open: figure("open", ({ details, digits }) => format.price(details.open, digits), true),
  previous: figure("previous", ({ previousClose, digits }) => format.price(previousClose, digits)),
  bid: figure("bid", ({ quote, digits }) => format.price(quote.bid, digits)),
  ask: figure("ask", ({ quote, digits }) => format.price(quote.ask, digits)),
  volume: figure("volume", ({ quote }) => format.volume(quote)),
  year: {
    lines: [["year_low", "year_low"], ["year_high", "year_high"]], extra: BAR_PX + GAP_PX,
    draw: () => rangeCell("year"),
    write: (write, stock, row) => writeRange(write, row, "year", yearRange(stock), stock.digits),
  },
  cap: figure("cap", ({ details }) => format.money(details.market_cap, details.market_cap_currency), true),
  pe: figure("pe", ({ details }) => format.price(details.trailing_pe, 2), true),
  quantity: figure("quantity", (stock) => (standingOf(stock) ? format.plainNumber(standingOf(stock).quantity) : "")),
  value: figure("value", (stock) => (standingOf(stock) ? format.price(standingOf(stock).value, 2) : "")),
  gain: {
    ...figure("gain", () => ""),
    write: (write, stock, row) => {
      const own = standingOf(stock);
      write("gain", own ? format.signed(own.gain, 2) : "");
      const sign = Math.sign(own?.gain ?? 0);
      if (row.dataset.gain !== String(sign)) row.dataset.gain = String(sign);
    },
  },
  market: {
    lines: [["market"]], extra: 15, samples: ["Pre-market"],
    draw: () => html`<span class="dot" aria-hidden="true"></span><span data-part="market"></span>`,
    write: (write, { quote }) => write("market", format.marketState(quote.market_state)),
  },
  source: figure("source", ({ quote }) => quote.provider ?? ""),
  age: {
    lines: [["stale_word", "age"], ["why"]], samples: ["59m ago"], most: 250,
    draw: () => html`<span class="when"><span class="stale-word">Stale</span> <span data-part="age"></span></span> <span class="why" data-part="why"></span>`,
  },
};

/** The width in px that a cell needs in a form of the board for the texts noted so far. */
export function cellWidth(key, widthOf, textWidth, form) {
  const { lines = [], samples = [] } = CELLS[key];
  // A narrow board has no room for the arrow; the sign says the same.
  const extra = key === "percent" && form === "narrow" ? 0 : (CELLS[key].extra ?? 0);
  const isOneLine = form === "compact" && key === "age";
  const widths = lines.map((parts) => {
    const known = parts.map(widthOf).filter((width) => width > 0);
    return known.reduce((total, width) => total + width, 0) + GAP_PX * Math.max(0, known.length - 1);
  });
  const told = widths.filter((width) => width > 0);
  const texts = isOneLine ? told.reduce((total, width) => total + width, 0) + GAP_PX * Math.max(0, told.length - 1) : Math.max(0, ...widths);
  return extra + Math.max(texts, ...samples.map((sample) => textWidth(sample)));
}

function figure(part, textOf, isOfDetails = false) {
  return {
    lines: [[part]],
    draw: () => html`<span data-part=${part}></span>`,
    write: (write, stock) => write(part, textOf(stock)),
    isOfDetails,
  };
}

function rangeCell(part) {
  return html`
    <span data-part=${`${part}_low`}></span><span class="unseen"> to </span>
    <span class="range-bar" aria-hidden="true"><span class="range-mark" data-place=${part}></span></span>
    <span data-part=${`${part}_high`}></span>`;
}

function writeRange(write, row, part, range, digits) {
  write(`${part}_low`, range ? format.price(range.low, digits) : format.NOTHING);
  write(`${part}_high`, range ? format.price(range.high, digits) : "");
  const mark = row.marks?.[part];
  if (!mark) return;
  const place = range ? `${Math.round(range.place * 100)}%` : "";
  if (mark.placed === place) return;
  mark.placed = place;
  mark.style.setProperty("--at", place || "50%");
  mark.hidden = place === "";
}
