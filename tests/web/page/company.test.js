import assert from "node:assert/strict";
import { test } from "node:test";

import "./browser.js";
import { compact, day, price } from "../../../src/stocktrack/web/page/figures/format.js";
import { companyFacts, newsLack } from "../../../src/stocktrack/web/page/panel/company.js";

test("what is not known of a company is left out", () => {
  assert.deepEqual(companyFacts({ symbol: "AAPL", sector: "Technology" }), [{ label: "Sector", text: "Technology" }]);
  assert.deepEqual(companyFacts({ symbol: "AAPL" }), []);
});

test("the market value carries its currency where that is known", () => {
  const inPounds = { market_cap: 3e12, market_cap_currency: "GBP", currency: "GBp" };
  assert.equal(companyFacts(inPounds)[0].text, `${compact(3e12)} GBP`);
  assert.equal(companyFacts({ market_cap: 3e12, currency: "GBp" })[0].text, compact(3e12));
});

test("no employees at all are a fact too", () => {
  assert.deepEqual(companyFacts({ employees: 0 }), [{ label: "Employees", text: "0" }]);
});

test("a website is a link under its host's name, and an address that is no web address is left out", () => {
  assert.deepEqual(companyFacts({ website: "https://www.apple.com/" }), [{ label: "Website", text: "apple.com", href: "https://www.apple.com/" }]);
  assert.deepEqual(companyFacts({ website: "javascript:alert(1)" }), []);
});

test("the year, the earnings, the contract and the hours of the market are told where they are known", () => {
  const facts = companyFacts({
    symbol: "X", segment: "NFO", type: "CE", expiry: "2024-04-25", strike: 18_000, lot: 50, trailing_pe: 40.925644, fifty_two_week_low: 1.08153,
    fifty_two_week_high: 1.2, market_opens_at: Date.UTC(2024, 3, 5, 13, 30),
  });
  const text = (label) => facts.find((each) => each.label === label)?.text;
  assert.deepEqual(["Segment", "Type", "Expiry", "Strike", "Lot"].map(text), ["NFO", "CE", day("2024-04-25"), (18_000).toLocaleString(), "50"]);
  assert.deepEqual(["P/E", "52 weeks"].map(text), [price(40.93, 2), `${price(1.08153, 5)} – ${price(1.2, 5)}`]);
  assert.match(text("Market"), /^opens .*09:30 your time$/);
});

test("an expiry that is no day is told as it is", () => {
  assert.equal(companyFacts({ symbol: "X", expiry: "weekly" })[0].text, "weekly");
});

test("what the figures of the panel show is not told again", () => {
  const company = { symbol: "X", market_cap: 5, trailing_pe: 4, fifty_two_week_low: 1, fifty_two_week_high: 2 };
  assert.deepEqual(companyFacts(company).map(({ label }) => label), ["Market value", "P/E", "52 weeks"]);
  assert.deepEqual(companyFacts(company, company), []);
});

test("a lack of headlines is a plain sentence, whatever the server is", () => {
  assert.equal(newsLack("AAPL", { reason: "no_news" }), "There are no headlines about AAPL now.");
  assert.equal(newsLack("AAPL", { reason: "not_offered" }), "No source here has news of AAPL alone.");
  assert.equal(newsLack("AAPL", { reason: "invalid_command" }), "No source here has news of AAPL alone.");
  assert.equal(newsLack("AAPL", { reason: "provider_error", message: "Yahoo is out of order." }), "Yahoo is out of order.");
});
