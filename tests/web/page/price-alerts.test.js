import assert from "node:assert/strict";
import { test } from "node:test";

import { alertAt, alertMoved, lineAt, lineOf, priceAlertsOf, priceShown, wayOf, whyNoAlertAt } from "../../../src/stocktrack/web/page/alerts/price-alerts.js";
import { withLevels } from "../../../src/stocktrack/web/page/chart/levels.js";

const anAlert = (fields = {}) => ({ alert: "a1", symbol: "AAPL", when: "crosses_above", value: 110, repeat: "once", state: "armed", targets: [], ...fields });

test("a chart shows the alerts at a price of its symbol, the highest first, and no percent and no other symbol", () => {
  const alerts = [
    anAlert({ alert: "low", value: 90, when: "below" }), anAlert({ alert: "high", value: 120 }), anAlert({ alert: "percent", when: "percent_from_close", value: 5 }),
    anAlert({ alert: "volume", when: "volume_above", value: 1e6 }), anAlert({ alert: "other", symbol: "TSLA" }),
  ];
  assert.deepEqual(priceAlertsOf(alerts, "AAPL").map(({ alert }) => alert), ["high", "low"]);
  assert.deepEqual(priceAlertsOf(null, "AAPL"), []);
});

test("an alert over the price tells of a rise and one under it of a fall", () => {
  assert.deepEqual(alertAt("AAPL", 110, 100), { symbol: "AAPL", when: "crosses_above", value: 110, repeat: "once" });
  assert.equal(alertAt("AAPL", 90, 100).when, "crosses_below");
});

test("at the price itself, and without one, there is no alert, and a sentence says why", () => {
  assert.match(whyNoAlertAt(100, 100), /That is the price now/);
  assert.match(whyNoAlertAt(100, undefined), /no price yet/);
  assert.equal(whyNoAlertAt(100.01, 100), "");
});

test("an alert that is moved keeps its manner, and turns round where it comes to the other side of the price", () => {
  const alert = anAlert({ repeat: "every", cooldown_seconds: 300, quiet_hours: "22:00-07:00", timezone: "Europe/Berlin", targets: ["phone"], state: "fired", message: "x" });
  const manner = { symbol: "AAPL", repeat: "every", cooldown_seconds: 300, quiet_hours: "22:00-07:00", timezone: "Europe/Berlin", targets: ["phone"] };
  assert.deepEqual(alertMoved(alert, 95, 100), { ...manner, when: "crosses_below", value: 95 });
  assert.deepEqual(alertMoved(alert, 105, 100), { ...manner, when: "crosses_above", value: 105 });
  assert.deepEqual(alertMoved(anAlert({ when: "above" }), 95, 100), { symbol: "AAPL", repeat: "once", when: "below", value: 95 });
  assert.equal(alertMoved(anAlert({ when: "below" }), 105, 100).when, "above");
});

test("a line says whether it is armed, and one that fired that it did", () => {
  assert.deepEqual(lineOf(anAlert()), { alert: "a1", value: 110, title: "Alert", isArmed: true });
  assert.deepEqual(["holding", "fired", "disarmed", "of tomorrow"].map((state) => lineOf(anAlert({ state })).title), ["Alert fired", "Alert fired", "Alert off", "Alert"]);
  assert.deepEqual(["crosses_above", "crosses_below", "above", "below"].map((when) => wayOf({ when })), ["rises above", "falls below", "is above", "is below"]);
});

test("the nearest line within reach is pointed at", () => {
  const lines = [{ y: 10 }, { y: 16 }, { y: 80 }];
  assert.equal(lineAt(lines, 14, 6), lines[1]);
  assert.equal(lineAt(lines, 30, 6), undefined);
  assert.equal(lineAt([], 30, 6), undefined);
});

test("a height is a price with the decimals of its symbol", () => {
  assert.equal(priceShown(190.48734, 2), 190.49);
  assert.equal(priceShown(0.0000123456, 8), 0.00001235);
});

test("the scale takes levels that are near, the nearest first, and none that would press the prices flat", () => {
  const day = { minValue: 100, maxValue: 102 };
  assert.deepEqual(withLevels(day, [101, 99, 104]), { minValue: 99, maxValue: 104 });
  assert.deepEqual(withLevels(day, [150, 104]), { minValue: 100, maxValue: 104 });
  assert.deepEqual(withLevels({ minValue: 100, maxValue: 100 }, [100.4, 150]), { minValue: 100, maxValue: 100.4 });
  assert.deepEqual(withLevels(day, []), day);
});
