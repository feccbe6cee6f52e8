import "./browser.js";
import assert from "node:assert/strict";
import { test } from "node:test";

import { isListed, listedOf, meant, noSymbol } from "../../../src/stocktrack/web/page/frame/meaning.js";

const DISNEY = { symbol: "DIS", name: "The Walt Disney Company" };
const VISA = { symbol: "V", name: "Visa Inc." };
const APPLE = { symbol: "AAPL", name: "Apple Inc." };
const of = (text, ...found) => meant(text, found);

test("a name means the suggestion that has all its words, whatever its words could mean as symbols", () => {
  assert.deepEqual(of("Walt Disney", DISNEY), { symbols: ["DIS"] });
  assert.deepEqual(of("visa", VISA), { symbols: ["V"] });
  assert.deepEqual(of("Apple, Inc.", APPLE), { symbols: ["AAPL"] });
  assert.deepEqual(of("société générale", { symbol: "GLE.PA", name: "Société Générale SA" }), { symbols: ["GLE.PA"] });
});

test("a symbol that is among the suggestions means itself, and one that is not is tried before the first of them", () => {
  assert.deepEqual(of("amat", APPLE, { symbol: "AMAT", name: "Applied Materials" }), { symbols: ["AMAT"] });
  assert.deepEqual(of("V", { symbol: "VISA", name: "V Company" }, VISA), { symbols: ["V"] });
  assert.deepEqual(of("KO", VISA), { symbols: ["KO"], instead: "V", needsAll: false });
  assert.deepEqual(of("KO"), { symbols: ["KO"], instead: undefined, needsAll: false });
});

test("words with blanks between them are symbols only where all of them are", () => {
  assert.deepEqual(of("ko v", APPLE), { symbols: ["KO", "V"], instead: "AAPL", needsAll: true });
  assert.deepEqual(of("Walt Disney"), { symbols: ["WALT", "DISNEY"], instead: undefined, needsAll: true });
});

test("commas, semicolons and lines make a list, in which a name is none", () => {
  assert.deepEqual(of("aapl, msft;VOD.L\nNSE:INFY"), { symbols: ["AAPL", "MSFT", "VOD.L", "NSE:INFY"], needsAll: false });
  assert.deepEqual(of("AAPL, Walt Disney").needsAll, true);
  assert.deepEqual(["AAPL MSFT", "AAPL,MSFT", "AAPL\tMSFT"].map(isListed), [false, true, true]);
});

test("a text that can be no symbol means the first suggestion, or nothing", () => {
  assert.deepEqual(of("Générale", { symbol: "GLE.PA", name: "Generale" }), { symbols: ["GLE.PA"] });
  assert.deepEqual(of("Générale").symbols, []);
  assert.deepEqual([noSymbol("AAPL, Société x"), noSymbol("AAPL, MSFT")], ["Société", undefined]);
});

test("what is pasted of lines, of cells and of a table becomes a list of its symbols", () => {
  assert.equal(listedOf("AAPL\r\nMSFT\n\n tsla \n"), "AAPL, MSFT, tsla");
  assert.equal(listedOf("AAPL\tMSFT\tTSLA"), "AAPL, MSFT, TSLA");
  assert.equal(listedOf("Ticker\tPrice\nAAPL\t189.45\nMSFT\t420"), "AAPL, MSFT");
  assert.equal(listedOf("Apple Inc.\tAAPL\t1\nMicrosoft Corp\tMSFT\t2"), "AAPL, MSFT");
  assert.equal(listedOf("Symbol\nAAPL"), "AAPL");
  assert.equal(listedOf("AAPL\t189.45\t1.2 %"), "AAPL");
  assert.equal(listedOf('"AAPL"\n"BRK-B"'), "AAPL, BRK-B");
  assert.equal(listedOf("\n\t\n"), "");
});
