// The facts of a company as the panel lists them.

import * as format from "./format.js";

/** What is known of `company`, the `company` of an INFO reply: {label, text} each, with `href` where it is a link. */
export function companyFacts(company) {
  const website = format.safeLink(company.website);
  return [
    { label: "Sector", text: company.sector },
    { label: "Industry", text: company.industry },
    { label: "Country", text: company.country },
    { label: "Employees", text: company.employees?.toLocaleString() },
    { label: "Market value", text: company.market_cap === undefined ? undefined : `${format.compact(company.market_cap)} ${company.market_cap_currency ?? ""}`.trim() },
    { label: "Website", text: website && new URL(website).hostname.replace(/^www\./, ""), href: website },
  ].filter(({ text }) => text !== undefined);
}
