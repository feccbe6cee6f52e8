import assert from "node:assert/strict";
import { test } from "node:test";

import { statusOf } from "../../../src/stocktrack/web/page/session/status.js";

const priced = (market_state = "open", stale = false) => ({ quote: { market_state, stale } });
const times = (count, stock) => Array.from({ length: count }, () => stock);
const word = (stocks, connection = "online") => statusOf(connection, stocks).word;
const kind = (stocks, connection = "online") => statusOf(connection, stocks).kind;

test("prices of a market that is open are live, and so is an empty board", () => {
  assert.equal(word([priced(), priced("closed")]), "Live");
  assert.equal(word([]), "Live");
  assert.equal(kind([priced()]), "live");
  assert.equal(word([priced(undefined)]), "Live");
});

test("stale prices are counted, whatever the market is", () => {
  assert.equal(word(times(11, priced("open", true))), "11 stale");
  assert.equal(word([priced("closed", true), priced("closed")]), "1 stale");
  assert.equal(kind([priced("open", true)]), "stale");
  assert.match(statusOf("online", [priced("open", true), priced()]).said, /^1 of 2 prices may be out of date/);
  assert.match(statusOf("online", times(2, priced("open", true))).said, /^All 2 prices may/);
});

test("where no market is open it says so, and which hours these are", () => {
  assert.equal(word([priced("closed"), priced("closed")]), "Market closed");
  assert.equal(kind([priced("closed")]), "closed");
  assert.equal(word([priced("closed"), priced("post")]), "After hours");
  assert.equal(word([priced("pre"), priced("closed")]), "Pre-market");
});

test("a stock without a price is told of, and one that was only just added is not", () => {
  assert.equal(word([{ missing: "pending" }]), "No prices");
  assert.equal(word([{}]), "Live");
  assert.match(statusOf("online", [priced(), { missing: "unknown_symbol" }]).said, /1 of 2 prices has not come/);
});

test("without a connection nothing is live", () => {
  assert.equal(word([priced()], "waiting"), "Offline");
  assert.equal(word([priced("open", true)], "connecting"), "Connecting");
  assert.equal(kind([priced()], "off"), "off");
});
