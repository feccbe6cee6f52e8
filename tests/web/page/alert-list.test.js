import { lastingStorage } from "./browser.js";
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { advance, settle } from "./clock.js";
import { FakeServer } from "./fake_socket.js";
import { alerts, makeAlert, readAlerts, removeAlert, targets, trouble, tryTarget } from "../../../src/stocktrack/web/page/alerts/alert-list.js";
import { logIn, logOut } from "../../../src/stocktrack/web/page/session/session.js";
import { notices } from "../../../src/stocktrack/web/page/session/state.js";

let server;
const names = () => alerts.value.map(({ alert }) => alert);

beforeEach(async () => {
  server = new FakeServer();
  server.answers.MY_ALERTS = { alerts: [{ alert: "a1" }, { alert: "a2" }], targets: ["phone"] };
  await logIn("ann", "a password");
  await settle();
});

afterEach(async () => {
  logOut();
  await advance(60_000);
  lastingStorage.removeItem("stocktrack.token:/board/");
  notices.value = [];
});

test("the alerts are all pages of them, the newest first, with the targets there are", async () => {
  server.answers.MY_ALERTS = ({ after }) => (after ? { alerts: [{ alert: "a3" }], targets: ["phone"] } : { alerts: [{ alert: "a1" }, { alert: "a2" }], targets: ["phone"], more: true });
  await readAlerts();
  assert.deepEqual(server.asked("MY_ALERTS").map(({ after }) => after), [undefined, "a2"]);
  assert.deepEqual([names(), targets.value, trouble.value], [["a3", "a2", "a1"], ["phone"], ""]);
});

test("one that is made stands first, one that is taken out is gone, also where somebody else took it out", async () => {
  await readAlerts();
  server.answers.ALERT = { alert: { alert: "a3" } };
  await makeAlert({ symbol: "AAPL", when: "above", value: 1 });
  assert.deepEqual(names(), ["a3", "a2", "a1"]);
  server.answers.UNALERT = { alert: "a2", symbol: "AAPL" };
  await removeAlert("a2");
  server.answers.UNALERT = { code: 404, reason: "unknown_alert", message: "You have no alert a1." };
  await removeAlert("a1");
  assert.deepEqual(names(), ["a3"]);
  server.answers.UNALERT = { code: 500, reason: "storage_error", message: "The database is full." };
  await assert.rejects(removeAlert("a3"), { message: "The database is full." });
  assert.deepEqual(names(), ["a3"]);
});

test("a target that may not be tried now says so as one that took nothing", async () => {
  server.answers.TEST_ALERT = { target: "phone", delivered: true, message: "phone took a test message." };
  assert.equal((await tryTarget("phone")).delivered, true);
  server.answers.TEST_ALERT = { code: 429, reason: "rate_limited", message: "A target is tried 6 times a minute at most." };
  assert.deepEqual(await tryTarget("phone"), { delivered: false, message: "A target is tried 6 times a minute at most." });
});

test("why the list cannot be read is told, and the next person sees none of it", async () => {
  await readAlerts();
  server.answers.MY_ALERTS = { code: 400, reason: "unknown_command", message: "There is no command MY_ALERTS." };
  await readAlerts();
  assert.deepEqual([trouble.value, names()], ["There is no command MY_ALERTS.", ["a2", "a1"]]);
  logOut();
  assert.deepEqual([alerts.value, targets.value], [null, []]);
});
