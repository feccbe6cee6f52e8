// The direction of numbers and dates: the page reads from left to right, also where the browser's language does not.

// An Arabic number with a sign begins with a mark that turns it round: "+1%" would read "%1+".
const MARKS = /[\u061c\u200e\u200f]/g;
const RIGHT_TO_LEFT = /[\u0590-\u08ff\u200f\ufb1d-\ufdff\ufe70-\ufefc]/;

/** A number without the marks of direction that its language writes into it. */
export function unmarked(text) {
  return text.replace(MARKS, "");
}

/** A date that stands in a sentence: what follows it does not go to its other side. */
export function isolated(text) {
  return RIGHT_TO_LEFT.test(text) ? `\u2068${text}\u2069` : text;
}
