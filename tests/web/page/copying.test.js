import assert from "node:assert/strict";
import { test } from "node:test";

import { COLUMNS } from "../../../src/stocktrack/web/page/board/columns.js";
import { copiedColumns, csvLines, tabbedLines } from "../../../src/stocktrack/web/page/board/copying.js";

const ORDER = COLUMNS.map((column) => column.key).filter((key) => key !== "symbol" && key !== "remove");
const BASE = ["symbol", "price", "percent"];
const stock = (symbol, quote, details = {}, digits = 2) => ({ symbol, quote, details, digits, pricedAt: quote?.timestamp });
const BTC = stock("BTC-USD", { price: 1234567.891, currency: "USD", change: -0.5, change_percent: -1.239, timestamp: Date.UTC(2026, 10, 30, 14, 5, 9) }, { name: "Bitcoin" });

test("a copy has the chief columns and those that are shown, without what somebody hid, in the order of the headings", () => {
  const labels = (...given) => copiedColumns(...given).map(({ label }) => label);
  assert.deepEqual(labels(BASE, [], ORDER), ["Symbol", "Name", "Price", "Currency", "Change", "Change %", "Updated"]);
  assert.deepEqual(labels([...BASE, "trend", "range", "remove"], ["name", "age"], ["percent", ...ORDER.filter((key) => key !== "percent")]), [
    "Symbol", "Change %", "Price", "Currency", "Change", "Day’s low", "Day’s high",
  ]);
});

test("a line has a cell for each column: numbers without signs between thousands, times as a spreadsheet reads them", () => {
  const [heads, line, ...rest] = tabbedLines(copiedColumns(BASE, [], ORDER), [BTC], { hasHeadings: true }).split("\n");
  assert.equal(heads, "Symbol\tName\tPrice\tCurrency\tChange\tChange %\tUpdated");
  // The clock of New York, where these tests are.
  assert.equal(line, "BTC-USD\tBitcoin\t1234567.89\tUSD\t-0.50\t-1.24\t2026-11-30 09:05:09");
  assert.deepEqual(rest, []);
  assert.equal(tabbedLines(copiedColumns(BASE, [], ORDER), [BTC], { hasHeadings: false }).split("\n").length, 1);
});

test("all decimals of a small price are there, and what is not known is an empty cell", () => {
  const small = stock("SHIB-USD", { price: 0.00001234 }, {}, 8);
  assert.equal(tabbedLines(copiedColumns(BASE, [], ORDER), [small, stock("NOPE")], { hasHeadings: false }), "SHIB-USD\t\t0.00001234\t\t\t\t\nNOPE\t\t\t\t\t\t");
});

test("a name breaks no line, and is no formula of anybody's", () => {
  const evil = (name) => csvLines(copiedColumns(["symbol", "name"], ["price", "currency", "change", "percent", "age"], ORDER), [stock("A", undefined, { name })]).split("\r\n")[1];
  const cells = (name) => tabbedLines(copiedColumns(["symbol", "name"], ["currency", "change", "percent", "age"], ORDER), [stock("A", undefined, { name })], { hasHeadings: false });
  assert.equal(evil('=cmd("x")'), `A,"'=cmd(""x"")"`);
  assert.equal(evil("one\ntwo, three"), 'A,"one\ntwo, three"');
  assert.equal(cells("one\ntwo\tthree"), "A\tone two three\t");
  for (const name of ["+1", "-1", "@x", "\t=1"]) assert.ok(cells(name).startsWith("A\t'"), name);
});

test("CSV has points in its numbers, ISO 8601 in its times, and CRLF at the end of each line", () => {
  assert.equal(csvLines(copiedColumns(BASE, ["name"], ORDER), [BTC]), "Symbol,Price,Currency,Change,Change %,Updated\r\nBTC-USD,1234567.89,USD,-0.50,-1.24,2026-11-30T14:05:09.000Z\r\n");
});
