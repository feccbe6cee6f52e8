import { fakeDocument, FakeElement, lastingStorage } from "./browser.js";
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { advance } from "./clock.js";
import { replaceGlobal } from "./globals.js";
import { dismiss, isHeld, more, take, toasts } from "../../../src/stocktrack/web/page/alerts/fired.js";
import { isWanted, permission, wish } from "../../../src/stocktrack/web/page/alerts/notifications.js";
import { chosen, phase, stocks, unseenAlerts } from "../../../src/stocktrack/web/page/session/state.js";

const shown = [];
let next = 1;

class FakeNotification extends EventTarget {
  static permission = "default";
  static asked = 0;

  static async requestPermission() {
    FakeNotification.asked += 1;
    FakeNotification.permission = "granted";
  }

  constructor(title, options) {
    super();
    shown.push({ title, ...options, notification: this });
  }

  close() {
    this.isClosed = true;
  }
}

const notice = (fields = {}) => ({ type: "NOTICE", reason: "alert", alert: "a7", delivery: `d${next++}`, symbols: ["AAPL"], message: "AAPL rose.", ...fields });
const texts = () => toasts.value.map(({ message }) => message);

beforeEach(() => {
  phase.value = "login";
  phase.value = "board";
  unseenAlerts.value = 0;
  shown.length = 0;
  fakeDocument.hidden = false;
  fakeDocument.rows = [];
});

test("the same delivery twice is told once", () => {
  const twice = notice();
  take(twice);
  take(twice);
  take(notice({ message: "AAPL fell." }));
  assert.deepEqual([texts(), unseenAlerts.value], [["AAPL fell.", "AAPL rose."], 2]);
});

test("three are shown at once, the newest ones, and the others counted until all are gone", async () => {
  for (let count = 1; count <= 5; count += 1) take(notice({ message: String(count) }));
  assert.deepEqual([texts(), more.value], [["5", "4", "3"], 2]);
  dismiss(toasts.value[0].id);
  assert.deepEqual([texts(), more.value], [["4", "3"], 2]);
  await advance(15_000);
  assert.deepEqual([texts(), more.value], [[], 0]);
});

test("a toast stays for fifteen seconds in which somebody may read it", async () => {
  take(notice());
  await advance(10_000);
  fakeDocument.hidden = true;
  await advance(60_000);
  fakeDocument.hidden = false;
  isHeld.value = true;
  await advance(60_000);
  assert.equal(toasts.value.length, 1);
  isHeld.value = false;
  await advance(5_000);
  assert.equal(toasts.value.length, 0);
});

test("the rows of the symbol are lit for a while, and what nobody saw once somebody looks", async () => {
  const row = new FakeElement("TR");
  fakeDocument.rows = [row];
  take(notice());
  assert.ok(row.classList.contains("alerted"));
  await advance(6_000);
  assert.ok(!row.classList.contains("alerted"));
  fakeDocument.hidden = true;
  take(notice());
  assert.ok(!row.classList.contains("alerted"));
  fakeDocument.hidden = false;
  fakeDocument.dispatchEvent(new Event("visibilitychange"));
  assert.ok(row.classList.contains("alerted"));
});

test("the browser is asked only by the switch, and shows one a delivery while nobody looks; a click opens the symbol", async () => {
  replaceGlobal("window", { focus() {} });
  replaceGlobal("isSecureContext", true);
  replaceGlobal("Notification", FakeNotification);
  fakeDocument.hidden = true;
  take(notice());
  assert.deepEqual([shown.length, FakeNotification.asked, isWanted.value], [0, 0, false]);
  await wish(true);
  assert.deepEqual([FakeNotification.asked, permission.value, lastingStorage.getItem("stocktrack.notifications")], [1, "granted", "on"]);
  const told = notice({ delivery: "d-one" });
  take(told);
  take(told);
  assert.deepEqual(shown.map(({ title, body, tag }) => [title, body, tag]), [["AAPL: alert", "AAPL rose.", "d-one"]]);
  stocks.value = new Map([["AAPL", {}]]);
  shown[0].notification.dispatchEvent(new Event("click"));
  assert.deepEqual([chosen.value, shown[0].notification.isClosed], ["AAPL", true]);
  fakeDocument.hidden = false;
  take(notice());
  assert.equal(shown.length, 1);
  await wish(false);
  fakeDocument.hidden = true;
  take(notice());
  assert.deepEqual([shown.length, lastingStorage.getItem("stocktrack.notifications")], [1, null]);
  stocks.value = new Map();
  chosen.value = null;
});

test("the next person is told of nothing that was another's", () => {
  const theirs = notice();
  take(theirs);
  phase.value = "login";
  assert.deepEqual([toasts.value, more.value], [[], 0]);
  phase.value = "board";
  take(theirs);
  assert.equal(toasts.value.length, 1);
});
