// The person's alerts as the server has them, and the commands that change them.

import { batch, effect, signal } from "../base/html.js";
import { ask } from "../session/asking.js";
import { phase } from "../session/state.js";

/** The alerts, the newest first; null until they were read. */
export const alerts = signal(null);
/** The names of the targets that the person may name. */
export const targets = signal([]);
/** Why the list could not be read, or "". */
export const trouble = signal("");

let reading = 0;

effect(() => {
  // Another person has others.
  if (phase.value !== "login") return;
  reading += 1;
  batch(() => {
    alerts.value = null;
    targets.value = [];
    trouble.value = "";
  });
});

/** Read the list anew. */
export async function readAlerts() {
  const mine = ++reading;
  try {
    const found = [];
    let reply = {};
    do {
      reply = await ask("MY_ALERTS", found.length ? { after: found.at(-1).alert } : {});
      found.push(...reply.alerts);
    } while (reply.more && reply.alerts.length);
    if (mine !== reading) return;
    batch(() => {
      alerts.value = found.reverse();
      targets.value = reply.targets ?? [];
      trouble.value = "";
    });
  } catch (error) {
    if (mine === reading) trouble.value = error.message;
  }
}

/** Make an alert of the fields of an ALERT; it is on the server's disk when this returns, and one that it replaces is not. */
export async function makeAlert(fields) {
  const { alert } = await ask("ALERT", fields);
  const gone = [alert.alert, fields.replaces];
  alerts.value = [alert, ...(alerts.value ?? []).filter((other) => !gone.includes(other.alert))];
  return alert;
}

/** Take an alert out. */
export async function removeAlert(name) {
  try {
    await ask("UNALERT", { alert: name });
  } catch (error) {
    // Taken out by another client is taken out as well.
    if (error.reason !== "unknown_alert") throw error;
  }
  alerts.value = (alerts.value ?? []).filter((other) => other.alert !== name);
}

/** Have a target take a test message: {delivered, message}. */
export async function tryTarget(target) {
  try {
    return await ask("TEST_ALERT", { target });
  } catch (error) {
    return { delivered: false, message: error.message };
  }
}
