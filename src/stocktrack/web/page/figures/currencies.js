// The currencies that totals may be in: those of which most people have some, and then all that the browser knows.

const FIRST = ["USD", "EUR", "GBP", "JPY", "CHF", "CAD", "AUD", "CNY", "HKD", "INR", "SGD", "SEK", "NOK", "DKK", "THB"];

export const CURRENCIES = [...new Set([...FIRST, ...(Intl.supportedValuesOf?.("currency") ?? [])])];
