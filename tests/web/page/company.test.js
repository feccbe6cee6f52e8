import assert from "node:assert/strict";
import { test } from "node:test";

import { compact } from "../../../src/stocktrack/web/page/format.js";
import { companyFacts } from "../../../src/stocktrack/web/page/company.js";

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
