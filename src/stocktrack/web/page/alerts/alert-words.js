// Alerts in words, and what a person filled in as an ALERT. It knows no elements and asks nobody.

import { typed } from "../figures/typed-numbers.js";
import { fieldNamed, numberOf, symbolOf, Unfit } from "../figures/unfit.js";

/**
 * The conditions in the order in which they are offered. A rise and a fall are one condition of the protocol, told apart
 * by the sign of its percent; `unit` says what the value is: a price, percent, or pieces.
 */
export const CONDITIONS = [
  { key: "crosses_above", when: "crosses_above", label: "rises above (crosses)", unit: "price" },
  { key: "crosses_below", when: "crosses_below", label: "falls below (crosses)", unit: "price" },
  { key: "above", when: "above", label: "is above", unit: "price" },
  { key: "below", when: "below", label: "is below", unit: "price" },
  { key: "up_from_close", when: "percent_from_close", sign: 1, label: "up since the previous close by", unit: "percent" },
  { key: "down_from_close", when: "percent_from_close", sign: -1, label: "down since the previous close by", unit: "percent" },
  { key: "up_within", when: "percent_within", sign: 1, label: "up within some minutes by", unit: "percent" },
  { key: "down_within", when: "percent_within", sign: -1, label: "down within some minutes by", unit: "percent" },
  { key: "volume_above", when: "volume_above", label: "volume of the day above", unit: "pieces" },
];

export const REPEATS = [
  { key: "once", label: "once" },
  { key: "daily", label: "once a day" },
  { key: "every", label: "every time" },
];

const STATES = {
  armed: "Armed",
  holding: "Fired, waits",
  fired: "Fired, done",
  disarmed: "Disarmed",
};
const STATE_SENTENCES = {
  armed: "It waits for its condition.",
  holding: "It fired, and is armed again when its condition has stopped holding.",
  fired: "It fired once, which was all.",
  disarmed: "Something makes its value wrong.",
};

/** "rises above 200", of an alert. */
export function condition({ when, value, minutes }) {
  const said = typed(Math.abs(value));
  const way = value < 0 ? "down" : "up";
  switch (when) {
    case "crosses_above":
      return `rises above ${typed(value)}`;
    case "crosses_below":
      return `falls below ${typed(value)}`;
    case "above":
      return `is above ${typed(value)}`;
    case "below":
      return `is below ${typed(value)}`;
    case "percent_from_close":
      return `${way} ${said}% since the previous close`;
    case "percent_within":
      return `${way} ${said}% within ${minutes === 1 ? "a minute" : `${minutes} minutes`}`;
    case "volume_above":
      return `more than ${said} traded on a day`;
    default:
      return `${when} ${typed(value)}`;
  }
}

/** "Every time, at most every 5 min · quiet 22:00–07:00 (Europe/Berlin) · also tells phone", of an alert. */
export function manner({ repeat, cooldown_seconds: cooldown, quiet_hours: quiet, timezone, targets = [] }) {
  const often = REPEATS.find(({ key }) => key === repeat)?.label ?? repeat;
  const words = [repeat === "every" ? `${often}, at most every ${duration(cooldown ?? 60)}` : often];
  if (quiet) words.push(`quiet ${quiet.replace("-", "–")} (${timezone ?? "UTC"})`);
  else if (repeat === "daily") words.push(`days of ${timezone ?? "UTC"}`);
  if (targets.length) words.push(`also tells ${targets.join(", ")}`);
  const all = words.join(" · ");
  return all[0].toUpperCase() + all.slice(1);
}

export function stateWord(state) {
  return STATES[state] ?? state;
}

/** What the state means, in a sentence; of a disarmed one why it is. */
export function stateSentence({ state, why }) {
  return why ?? STATE_SENTENCES[state] ?? "";
}

/**
 * The fields of an ALERT by a filled-in form: {symbol, condition, value, minutes, repeat, cooldown, isQuiet, quietFrom,
 * quietTo, timezone, targets}, texts but for `isQuiet` and the list of targets. An Unfit says what is no number; the rest is the server's.
 */
export function alertFields(form) {
  const { when, sign, unit } = CONDITIONS.find(({ key }) => key === form.condition);
  const symbol = symbolOf(form);
  const value = numberOf(form, "value", unit === "price" ? "Which price? For example 200." : "How much? For example 5.");
  if (sign && value <= 0) throw new Unfit("value", "Percent must be above 0: the condition says which way.");
  const fields = { symbol, when, value: sign ? sign * value : value, repeat: form.repeat };
  if (when === "percent_within") fields.minutes = whole(form, "minutes");
  if (form.repeat === "every") fields.cooldown_seconds = Math.round(numberOf(form, "cooldown", "How many minutes? For example 5.") * 60);
  if (form.isQuiet) {
    if (!form.quietFrom || !form.quietTo) throw new Unfit("quiet", "From when to when? For example 22:00 to 07:00.");
    fields.quiet_hours = `${form.quietFrom}-${form.quietTo}`;
  }
  if (form.isQuiet || form.repeat === "daily") fields.timezone = form.timezone;
  if (form.targets.length) fields.targets = form.targets;
  return fields;
}

const FIELDS = {
  symbol: "symbol", value: "value", minutes: "minutes", cooldown_seconds: "cooldown", quiet_hours: "quiet", timezone: "quiet", targets: "targets",
};

/** Which field of the form a Failure is about, by what it names; null where it is about none of them. */
export function fieldOf(failure) {
  // It names the target, which is called as somebody likes.
  if (/no target '/.test(failure.message)) return "targets";
  return fieldNamed(failure, FIELDS);
}

function whole(form, field) {
  const value = numberOf(form, field, "Within how many minutes? For example 15.");
  if (!Number.isInteger(value)) throw new Unfit(field, "Whole minutes, please.");
  return value;
}

function duration(seconds) {
  if (seconds % 3_600 === 0) return `${seconds / 3_600} h`;
  return seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`;
}
