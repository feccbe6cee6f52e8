// The facts of a company as the panel lists them.

import { priceDigits } from "../figures/digits.js";
import * as format from "../figures/format.js";
import { serverNow } from "../session/state.js";

/**
 * What is known of `company`, the `company` of an INFO reply: {label, text} each, with `href` where it is a link. What the
 * `details` of the stock have is left out: the figures above show it.
 */
export function companyFacts(company, details = {}) {
  const website = format.safeLink(company.website);
  const { fifty_two_week_low: low, fifty_two_week_high: high, trailing_pe: pe } = company;
  const hasYear = details.fifty_two_week_low !== undefined && details.fifty_two_week_high !== undefined;
  const isYearKnown = low !== undefined && high !== undefined && !hasYear;
  return [
    { label: "Segment", text: company.segment },
    { label: "Type", text: company.type },
    { label: "Expiry", text: dayOf(company.expiry) },
    { label: "Strike", text: company.strike?.toLocaleString() },
    { label: "Lot", text: company.lot?.toLocaleString() },
    { label: "Tick", text: company.tick?.toLocaleString(undefined, { maximumFractionDigits: 10 }) },
    { label: "Sector", text: company.sector },
    { label: "Industry", text: company.industry },
    { label: "Country", text: company.country },
    { label: "Employees", text: company.employees?.toLocaleString() },
    { label: "Market value", text: known(company.market_cap, details.market_cap) && format.money(company.market_cap, company.market_cap_currency) },
    { label: "P/E", text: known(pe, details.trailing_pe) && format.price(pe, 2) },
    { label: "52 weeks", text: isYearKnown ? yearRange(low, high) : undefined },
    { label: "Market", text: format.hours(company.market_opens_at, company.market_closes_at, serverNow()) },
    { label: "Website", text: website && new URL(website).hostname.replace(/^www\./, ""), href: website },
  ].filter(({ text }) => text !== undefined);
}

/** A date as a person reads it; a source may write something else there. */
function dayOf(date) {
  return /^\d{4}-\d\d-\d\d$/.test(date) ? format.day(date) : date;
}

/** True where INFO knows something that the stock's quote does not. */
function known(value, shown) {
  return value !== undefined && shown === undefined ? true : undefined;
}

function yearRange(low, high) {
  const digits = priceDigits(low, undefined, [high]);
  return `${format.price(low, digits)} – ${format.price(high, digits)}`;
}

/** Why there are no headlines of the market, as a sentence; `error` is the server's Failure. */
export function marketLack(error) {
  return error.reason === "no_news" || error.reason === "not_offered" ? "There are no headlines now." : error.message;
}

/** Why there are no headlines of `symbol`, as a sentence; `error` is the server's Failure. */
export function newsLack(symbol, error) {
  if (error.reason === "no_news") return `There are no headlines about ${symbol} now.`;
  // A server from before there was news of one symbol does not know the field.
  if (error.reason === "not_offered" || error.reason === "invalid_command") return `No source here has news of ${symbol} alone.`;
  return error.message;
}
