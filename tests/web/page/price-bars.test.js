import assert from "node:assert/strict";
import { test } from "node:test";

import { aPrice, aReply, bar, DAY, MINUTE, OPENS } from "./bars.js";
import { PriceBars } from "../../../src/stocktrack/web/page/session/price-bars.js";

const closes = ({ bars }) => bars.map(({ close }) => close);
const after = (bars) => bars.bars.map(({ time }) => (time - OPENS) / MINUTE);

test("a price of the last bar moves its close, and its high and low where it leaves them", () => {
  const bars = new PriceBars(aReply([100, 101]));
  bars.take(aPrice(105, 6 * MINUTE));
  bars.take(aPrice(99, 7 * MINUTE));
  bars.take(aPrice(102, 8 * MINUTE));
  const { open, high, low, close } = bars.last;
  assert.deepEqual([open, high, low, close, bars.length], [101, 105, 99, 102, 2]);
});

test("at the turn of a bar the next one begins where it should, also after a bar without a trade", () => {
  const bars = new PriceBars(aReply([100, 101]));
  bars.take(aPrice(102, 10 * MINUTE));
  bars.take(aPrice(103, 22 * MINUTE));
  assert.deepEqual([after(bars), closes(bars)], [[0, 5, 10, 20], [100, 101, 102, 103]]);
  assert.deepEqual([bars.last.open, bars.last.high, bars.last.low], [103, 103, 103]);
});

test("hours that are counted from the opening go on so", () => {
  const hours = [bar(OPENS, 100), bar(OPENS + 60 * MINUTE, 101)];
  const bars = new PriceBars(aReply([], { bars: hours, interval: "1h" }));
  bars.take(aPrice(102, 125 * MINUTE));
  assert.deepEqual(after(bars), [0, 60, 120]);
});

test("a price of an earlier bar changes nothing", () => {
  const bars = new PriceBars(aReply([100, 101]));
  bars.take(aPrice(50, 2 * MINUTE));
  assert.deepEqual([closes(bars), bars.version], [[100, 101], 0]);
});

test("in a closed market nothing moves", () => {
  const bars = new PriceBars(aReply([100, 101]));
  bars.take(aPrice(101, 3 * DAY, { market_state: "closed", timestamp: OPENS + 7 * MINUTE }));
  bars.take(aPrice(102, 3 * DAY, { market_state: "closed", timestamp: undefined }));
  bars.take(aPrice(103, 6 * MINUTE, { stale: true }));
  assert.deepEqual([closes(bars), bars.version, bars.isOutdated], [[100, 101], 0, false]);
});

test("where nobody says whether the market is open, a price that stands still is no trade, and one that moves is", () => {
  const bars = new PriceBars(aReply([100, 101]));
  bars.take(aPrice(101, 30 * MINUTE, { market_state: "unknown", timestamp: undefined }));
  assert.deepEqual(after(bars), [0, 5]);
  bars.take(aPrice(102, 30 * MINUTE, { market_state: "unknown", timestamp: undefined }));
  assert.deepEqual(after(bars), [0, 5, 30]);
});

test("the price before and after hours belongs to bars that have these hours, and to no others", () => {
  const late = aPrice(101, 400 * MINUTE, { market_state: "post", timestamp: OPENS + 390 * MINUTE, extended_price: 104, extended_time: OPENS + 400 * MINUTE });
  const [regular, extended] = [new PriceBars(aReply([100, 101])), new PriceBars(aReply([100, 101]), { hasExtended: true })];
  regular.take(late);
  extended.take(late);
  assert.deepEqual([closes(regular), closes(extended), extended.last.market_state], [[100, 101], [100, 101, 104], "post"]);
});

test("another day makes the bars of a day outdated, and adds none to them", () => {
  const bars = new PriceBars(aReply([100, 101]));
  bars.take(aPrice(110, 3 * DAY));
  assert.deepEqual([bars.isOutdated, closes(bars)], [true, [100, 101]]);
});

test("a day, a week and a month go on by the calendar of the exchange", () => {
  const lengths = (interval, hours) => {
    const bars = new PriceBars(aReply([], { interval, bars: [bar(OPENS, 100)] }));
    bars.take(aPrice(101, hours * 60 * MINUTE));
    return bars.length;
  };
  // 9:30 on a Friday: to midnight it is 14 and a half hours, to Monday 62 and a half, to December 86 and a half.
  assert.deepEqual(["1d", "1wk", "1mo"].map((interval) => lengths(interval, 14)), [1, 1, 1]);
  assert.deepEqual(["1d", "1wk", "1mo"].map((interval) => lengths(interval, 15)), [2, 1, 1]);
  assert.deepEqual(["1d", "1wk", "1mo"].map((interval) => lengths(interval, 63)), [2, 2, 1]);
  assert.deepEqual(["1d", "1wk", "1mo"].map((interval) => lengths(interval, 87)), [2, 2, 2]);
});

test("what is traded meanwhile is added to the bar, and a count that begins anew takes nothing away", () => {
  const bars = new PriceBars(aReply([100]), { quote: aPrice(100, MINUTE, { volume: 1_000 }) });
  bars.take(aPrice(101, 2 * MINUTE, { volume: 1_030 }));
  bars.take(aPrice(101, 3 * MINUTE, { volume: 1_035 }));
  bars.take(aPrice(102, 4 * MINUTE, { volume: 5 }));
  assert.equal(bars.last.volume, 45);
  bars.take(aPrice(102, 5 * MINUTE, { volume: 12 }));
  assert.equal(bars.last.volume, 7);
});

test("where nobody counts what is traded there is no volume", () => {
  const bars = new PriceBars(aReply([], { bars: [bar(OPENS, 1.08, { volume: undefined })] }), { quote: aPrice(1.08, 0) });
  bars.take(aPrice(1.09, 6 * MINUTE));
  assert.deepEqual([bars.hasVolume, bars.last.volume], [false, undefined]);
  assert.equal(new PriceBars(aReply([1])).hasVolume, true);
});

test("the newest price is in the bars from the beginning", () => {
  assert.deepEqual(closes(new PriceBars(aReply([100, 101]), { quote: aPrice(102, 11 * MINUTE) })), [100, 101, 102]);
});

test("doubled and unsorted bars are left out, and the reply stays as it is", () => {
  const reply = aReply([100, 101, 102]);
  reply.bars.splice(1, 0, { ...reply.bars[0], close: 7 }, bar(OPENS - MINUTE, 8));
  const bars = new PriceBars(reply);
  bars.take(aPrice(110, 11 * MINUTE));
  assert.deepEqual([closes(bars), reply.bars.at(-1).close], [[100, 101, 110], 102]);
});

test("a time that lies ahead of ours is taken for now", () => {
  const bars = new PriceBars(aReply([100]));
  bars.take(aPrice(101, MINUTE, { timestamp: OPENS + 90 * MINUTE }));
  assert.deepEqual([after(bars), closes(bars)], [[0], [101]]);
});
