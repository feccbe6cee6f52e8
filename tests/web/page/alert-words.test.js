import assert from "node:assert/strict";
import { test } from "node:test";

import { alertFields, condition, CONDITIONS, fieldOf, manner, stateSentence } from "../../../src/stocktrack/web/page/alerts/alert-words.js";

const filled = (fields = {}) => ({
  symbol: "aapl ", condition: "crosses_above", value: "200", minutes: "15", repeat: "once", cooldown: "5", isQuiet: false, quietFrom: "22:00",
  quietTo: "07:00", timezone: "Europe/Berlin", targets: [], ...fields,
});

test("every condition is offered, and said in words", () => {
  const said = CONDITIONS.map(({ when, sign = 1, unit }) => condition({ when, value: unit === "percent" ? sign * 5 : 1_200.5, minutes: 15 }));
  assert.deepEqual(said, [
    "rises above 1,200.5", "falls below 1,200.5", "is above 1,200.5", "is below 1,200.5", "up 5% since the previous close",
    "down 5% since the previous close", "up 5% within 15 minutes", "down 5% within 15 minutes", "more than 1,200.5 traded on a day",
  ]);
});

test("a filled-in form is an ALERT with what belongs to it, and nothing else", () => {
  assert.deepEqual(alertFields(filled()), { symbol: "AAPL", when: "crosses_above", value: 200, repeat: "once" });
  assert.deepEqual(alertFields(filled({ condition: "down_within", value: "2.5", repeat: "every", targets: ["phone"] })), {
    symbol: "AAPL", when: "percent_within", value: -2.5, minutes: 15, repeat: "every", cooldown_seconds: 300, targets: ["phone"],
  });
  assert.deepEqual(alertFields(filled({ isQuiet: true })), {
    symbol: "AAPL", when: "crosses_above", value: 200, repeat: "once", quiet_hours: "22:00-07:00", timezone: "Europe/Berlin",
  });
  assert.equal(alertFields(filled({ repeat: "daily" })).timezone, "Europe/Berlin");
});

test("what is no number is told beside its field, before anybody is asked", () => {
  const wrong = (fields) => {
    try {
      alertFields(filled(fields));
    } catch ({ field, message }) {
      return [field, message];
    }
    return null;
  };
  assert.deepEqual(wrong({ symbol: " " }), ["symbol", "Which symbol? For example AAPL."]);
  assert.deepEqual(wrong({ value: "" }), ["value", "Which price? For example 200."]);
  assert.deepEqual(wrong({ value: "abc" }), ["value", "“abc” is no number."]);
  assert.deepEqual(wrong({ condition: "up_from_close", value: "-5" }), ["value", "Percent must be above 0: the condition says which way."]);
  assert.deepEqual(wrong({ condition: "up_within", minutes: "1.5" }), ["minutes", "Whole minutes, please."]);
  assert.deepEqual(wrong({ repeat: "every", cooldown: "" }), ["cooldown", "How many minutes? For example 5."]);
  assert.deepEqual(wrong({ isQuiet: true, quietTo: "" }), ["quiet", "From when to when? For example 22:00 to 07:00."]);
});

test("what the server refuses stands beside the field that it names, else below the form", () => {
  const fields = [
    ["invalid_command", "ALERT: 'value' must be above 0."],
    ["invalid_command", "ALERT: the field 'minutes' must be at most 1440."],
    ["invalid_command", "ALERT: the field 'cooldown_seconds' must be at least 60."],
    ["invalid_command", "ALERT: the field 'quiet_hours' must end at another time than it begins."],
    ["invalid_command", "There is no target 'pager'; there are: phone."],
    ["unknown_symbol", "No source knows the symbol NOPE."],
    ["storage_error", "The database is full."],
  ].map(([reason, message]) => fieldOf({ reason, message }));
  assert.deepEqual(fields, ["value", "minutes", "cooldown", "quiet", "targets", "symbol", null]);
});

test("how an alert tells is said with its cool-down, its quiet hours and its targets", () => {
  assert.equal(manner({ repeat: "once" }), "Once");
  assert.equal(manner({ repeat: "every" }), "Every time, at most every 1 min");
  assert.equal(manner({ repeat: "every", cooldown_seconds: 7_200, quiet_hours: "22:00-07:00", timezone: "Europe/Berlin", targets: ["phone", "mail"] }),
    "Every time, at most every 2 h · quiet 22:00–07:00 (Europe/Berlin) · also tells phone, mail");
  assert.equal(manner({ repeat: "daily", timezone: "Asia/Bangkok" }), "Once a day · days of Asia/Bangkok");
});

test("a disarmed alert says why", () => {
  assert.equal(stateSentence({ state: "disarmed", why: "AAPL was split." }), "AAPL was split.");
  assert.equal(stateSentence({ state: "armed" }), "It waits for its condition.");
});
