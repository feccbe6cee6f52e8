// The alerts at a price, as a chart shows them: which they are, what they become at another price, and which one is
// pointed at. It knows no elements and asks nobody.

const ABOVE = { crosses_above: "crosses_above", crosses_below: "crosses_above", above: "above", below: "above" };
const BELOW = { crosses_above: "crosses_below", crosses_below: "crosses_below", above: "below", below: "below" };
const KEPT = ["symbol", "repeat", "cooldown_seconds", "quiet_hours", "timezone", "targets"];
const WAYS = { crosses_above: "rises above", crosses_below: "falls below", above: "is above", below: "is below" };
const TITLES = { armed: "Alert", holding: "Alert fired", fired: "Alert fired", disarmed: "Alert off" };

/** Those of `alerts` that are at a price of `symbol`, the highest first; none where they are not known. */
export function priceAlertsOf(alerts, symbol) {
  return (alerts ?? []).filter((alert) => alert.symbol === symbol && Object.hasOwn(ABOVE, alert.when)).sort((one, other) => other.value - one.value);
}

/** The fields of an ALERT at `value`: told above the present `price` when it is risen above, below it when it is fallen below. */
export function alertAt(symbol, value, price) {
  return { symbol, when: value > price ? "crosses_above" : "crosses_below", value, repeat: "once" };
}

/** The fields of an ALERT that is `alert` at another value: in the same manner, and of the side of the price it is on now. */
export function alertMoved(alert, value, price) {
  const fields = { when: (value > price ? ABOVE : BELOW)[alert.when], value };
  for (const name of KEPT) if (alert[name] !== undefined && !(name === "targets" && !alert.targets.length)) fields[name] = alert[name];
  return fields;
}

/** Why there can be no alert at `value` of a stock at `price`, as a sentence; "" where there can be one. */
export function whyNoAlertAt(value, price) {
  if (price === undefined) return "There is no price yet to tell above from below.";
  return value === price ? "That is the price now: say a higher or a lower one." : "";
}

/** In which way the price gets to its value: "rises above". */
export function wayOf({ when }) {
  return WAYS[when];
}

/** The line of an alert: {alert, value, title, isArmed}. */
export function lineOf(alert) {
  return { alert: alert.alert, value: alert.value, title: TITLES[alert.state] ?? "Alert", isArmed: alert.state === "armed" };
}

/** The line of `lines`, each with its `y` in pixels, that is nearest to a height and at most `reach` away; or undefined. */
export function lineAt(lines, y, reach) {
  let found;
  let least = reach;
  for (const line of lines) {
    const away = Math.abs(line.y - y);
    if (away <= least) [found, least] = [line, away];
  }
  return found;
}

/** A height in a chart as a price that a person would write: with the decimals of the symbol. */
export function priceShown(value, digits) {
  return Number(value.toFixed(Math.min(digits, 20)));
}
