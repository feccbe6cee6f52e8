import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import * as format from "../../../src/stocktrack/web/page/figures/format.js";

// The terminal's tests read the same table (test_text.py). The tests run in English, where both give the same.
const CASES = JSON.parse(readFileSync(new URL("../../one_format.json", import.meta.url)));

// What the numbers look like is the locale's; these tests say what does not depend on it.
const number = (value, digits, signDisplay = "auto") =>
  new Intl.NumberFormat(undefined, { minimumFractionDigits: digits, maximumFractionDigits: digits, signDisplay }).format(value).replace("-", "−");

test("numbers, ages and reasons read here as they do in the terminal", () => {
  const read = {
    percents: ([value]) => format.percent(value),
    changes: ([value, digits]) => format.signed(value, digits),
    prices: ([value, digits]) => format.price(value, digits),
    compact: ([value]) => format.compact(value),
    ages: ([ms]) => format.age(ms, 0).replace(/ ago$/, ""),
    stale: ([reason, provider]) => format.staleReason(reason, provider ?? undefined),
    lacks: ([reason, message]) => format.lackReason(reason, message ?? undefined),
  };
  for (const [kind, cases] of Object.entries(CASES)) {
    for (const each of cases) assert.equal(read[kind](each), each.at(-1), `${kind}: ${JSON.stringify(each)}`);
  }
});

test("a length of time is in the units of ages, one that is not known a dash, and none is below nothing", () => {
  assert.deepEqual([undefined, -3, 0, 59.9, 60, 3_599, 3_600, 86_399, 86_400, 8_640_000].map(format.lasting),
    ["–", "0s", "0s", "59s", "1m", "59m", "1h", "23h", "1d", "100d"]);
});

test("a price has the digits of its stock, and one that is not known is a dash", () => {
  assert.equal(format.price(189.4, 2), number(189.4, 2));
  assert.equal(format.price(3_500, 0), number(3_500, 0));
  assert.equal(format.price(undefined, 2), format.NOTHING);
});

test("a change carries its sign, except zero, and the same digits without a sign are not mixed up with it", () => {
  assert.equal(format.signed(1.2, 2), number(1.2, 2, "exceptZero"));
  assert.match(format.signed(1.2, 2), /^\+/);
  assert.doesNotMatch(format.signed(0, 2), /[+-]/);
  assert.doesNotMatch(format.price(1.2, 2), /\+/);
  assert.equal(format.signed(undefined, 2), format.NOTHING);
});

test("a percentage has two decimals, its sign and its unit", () => {
  assert.equal(format.percent(-0.637), `${number(-0.637, 2)}%`);
  assert.match(format.percent(0.637), /^\+.*\d%$/);
  assert.equal(format.percent(undefined), format.NOTHING);
});

test("a price outside the hours has moved by a percentage, or else by an amount, or nobody knows", () => {
  assert.equal(format.moved({ change: 1.05, percent: 0.389 }, 2), format.percent(0.389));
  assert.equal(format.moved({ change: 1.05 }, 3), number(1.05, 3, "exceptZero"));
  assert.equal(format.moved({}, 2), "");
});

test("the hours of a market are told on the reader's clock, with the day where it is another", () => {
  const now = Date.UTC(2024, 3, 5, 15);
  const at = (day, hour, minute = 0) => Date.UTC(2024, 3, day, hour, minute);
  // The tests run in New York (test_page_files.py), four hours behind.
  const clock = (hour, minute = 0) => format.shortClockTime(new Date(2024, 3, 5, hour, minute).getTime());
  const short = (day) => new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short" }).format(new Date(2024, 3, day));
  assert.equal(format.hours(at(5, 13, 30), at(5, 20), now), `opens ${clock(9, 30)}, closes ${clock(16)} your time`);
  assert.equal(format.hours(at(8, 13, 30), at(8, 20), now), `opens ${short(8)} ${clock(9, 30)}, closes ${clock(16)} your time`);
  assert.equal(format.hours(undefined, at(5, 20), now), `closes ${clock(16)} your time`);
  assert.equal(format.hours(undefined, undefined, now), undefined);
});

test("a sum of money names its currency where that is known", () => {
  assert.equal(format.money(3.98e12, "USD"), `${format.compact(3.98e12)} USD`);
  assert.equal(format.money(3.98e12), format.compact(3.98e12));
  assert.equal(format.money(undefined, "USD"), format.NOTHING);
});

test("a volume or a share that is not known is a dash, and a share has no sign", () => {
  assert.equal(format.compact(undefined), format.NOTHING);
  assert.deepEqual([format.share(31.4), format.share(undefined)], [`${number(31.4, 2)}%`, format.NOTHING]);
});

test("an age is told in its largest whole unit", () => {
  const ages = [0, 499, 1_000, 59_000, 60_000, 3_599_000, 3_600_000, 86_399_000];
  assert.deepEqual(
    ages.map((ms) => format.age(ms, 0)),
    ["now", "now", "1s ago", "59s ago", "1m ago", "59m ago", "1h ago", "23h ago"],
  );
});

test("an age over a day is told in days, and one in the future is now", () => {
  const at = Date.UTC(2024, 1, 9, 12);
  assert.equal(format.age(12.5 * 86_400_000, at), "12d ago");
  assert.equal(format.age(-5_000, at), "now");
  assert.equal(format.age(-3_600_000, at), format.dateAndTime(at), "a time to come is no age");
});

test("what is to come is told in seconds that are not too few", () => {
  assert.deepEqual([4_001, 4_000, 1, 0, -9].map(format.inSeconds), ["in 5 s", "in 4 s", "in 1 s", "now", "now"]);
});

test("a calendar day stays the same day in every time zone", () => {
  const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" }).format(new Date(2024, 1, 9));
  assert.equal(format.day("2024-02-09"), day);
});

test("a state of the market that the page does not know is left out", () => {
  assert.deepEqual(["open", "pre", "post", "closed", "unknown", undefined].map(format.marketState), ["Open", "Pre-market", "After hours", "Closed", "", ""]);
});

test("a stale price whose source is not named says so of its source, and one without a reason says that much", () => {
  assert.equal(format.staleReason("provider_blocked"), "source refuses us");
  assert.equal(format.staleReason(undefined, "yahoo"), "no fresh price");
});

test("few stale prices are named and many are counted", () => {
  assert.equal(format.stalePrices([]), "A source is out.");
  assert.equal(format.stalePrices(["AAPL", "MSFT", "TSLA"]), "AAPL, MSFT, TSLA: stale.");
  assert.equal(format.stalePrices(["AAPL", "MSFT", "TSLA", "NVDA"]), "4 prices are stale.");
});

test("only http and https addresses become links", () => {
  assert.equal(format.safeLink("https://example.com/a"), "https://example.com/a");
  assert.equal(format.safeLink("http://example.com"), "http://example.com/");
  for (const address of ["javascript:alert(1)", " JAVASCRIPT:x", "data:text/html,x", "//evil.example", "file:///etc/passwd", "x", "", null, undefined, 7]) {
    assert.equal(format.safeLink(address), undefined, String(address));
  }
});

test("symbols are separated by spaces, commas and semicolons, raised, and taken once", () => {
  assert.deepEqual(format.symbolsIn(" aapl, msft;TSLA\tbrk-b aapl "), ["AAPL", "MSFT", "TSLA", "BRK-B"]);
  assert.deepEqual(format.symbolsIn("^gspc eurusd=x binance:btcusdt m&m.ns"), ["^GSPC", "EURUSD=X", "BINANCE:BTCUSDT", "M&M.NS"]);
});

test("a text with one word that is no symbol has no symbols at all", () => {
  assert.deepEqual(format.symbolsIn("AAPL Société"), []);
  assert.deepEqual(format.symbolsIn("AAPL $$$"), []);
  assert.deepEqual(format.symbolsIn(" ,; "), []);
});
