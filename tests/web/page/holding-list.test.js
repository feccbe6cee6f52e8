import { lastingStorage, tabStorage } from "./browser.js";
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { advance, settle } from "./clock.js";
import { FakeServer } from "./fake_socket.js";
import { addLot, currency, group, holdings, readHoldings, removeLot, trouble } from "../../../src/stocktrack/web/page/holdings/holding-list.js";
import { logIn, logOut } from "../../../src/stocktrack/web/page/session/session.js";
import { notices } from "../../../src/stocktrack/web/page/session/state.js";

let server;
const answer = (fields = {}) => ({ holdings: [], lots: [], missing: [], groups: ["main"], currency: "USD", totals: {}, ...fields });
const FIELDS = ["currency", "group", "after", "after_lot"];
const asked = () => server.asked("HOLDINGS").map((command) => Object.fromEntries(FIELDS.filter((name) => name in command).map((name) => [name, command[name]])));

beforeEach(async () => {
  server = new FakeServer();
  server.answers.HOLDINGS = () => answer();
  await logIn("ann", "a password");
  await settle();
});

afterEach(async () => {
  logOut();
  currency.value = "";
  await advance(60_000);
  tabStorage.removeItem("stocktrack.token");
  notices.value = [];
});

test("pages are one answer, and go on after the last lot", async () => {
  const page = (symbol, lot, fields) => answer({ holdings: [{ symbol }], lots: [{ symbol, lot }], ...fields });
  server.answers.HOLDINGS = ({ after }) => (after ? page("TSLA", "l9", { totals: { value: 2 }, missing: [{ symbol: "TSLA" }] }) : page("AAPL", "l1", { more: true, totals: { value: 1 } }));
  await readHoldings();
  assert.deepEqual(asked(), [{}, { after: "AAPL", after_lot: "l1" }]);
  const { holdings: held, lots, missing, totals } = holdings.value;
  assert.deepEqual([held.map(({ symbol }) => symbol), lots.length, missing.length, totals], [["AAPL", "TSLA"], 2, 1, { value: 2 }]);
});

test("the currency that was chosen is asked for and kept in this browser", async () => {
  currency.value = "EUR";
  group.value = "savings";
  await readHoldings();
  assert.deepEqual([asked(), lastingStorage.getItem("stocktrack.currency")], [[{ currency: "EUR", group: "savings" }], "EUR"]);
});

test("an answer that came too late is not shown", async () => {
  let first = true;
  server.answers.HOLDINGS = ({ currency: code }) => answer({ currency: code ?? "USD", ...(first ? { more: true, lots: [{ symbol: "A", lot: "l1" }] } : {}) });
  const late = readHoldings();
  currency.value = "EUR";
  first = false;
  await Promise.all([late, readHoldings()]);
  assert.equal(holdings.value.currency, "EUR");
});

test("why there is nothing is told, and what was shown stays", async () => {
  await readHoldings();
  server.answers.HOLDINGS = { code: 500, reason: "storage_error", message: "The database cannot be read." };
  await readHoldings();
  assert.deepEqual([trouble.value, holdings.value.currency], ["The database cannot be read.", "USD"]);
});

test("a change is followed by a new answer; a lot that is gone already is as good as taken out", async () => {
  server.answers.ADD_LOT = ({ symbol, quantity }) => ({ lot: "l1", symbol, quantity, unit_cost: 1, fixed_cost: 0, group: "main" });
  server.answers.REMOVE_LOT = { code: 404, reason: "unknown_lot", message: "You have no lot l1." };
  group.value = "savings";
  await addLot({ symbol: "AAPL", quantity: 1, unit_cost: 1 });
  await removeLot("l1");
  assert.deepEqual([asked().length, group.value], [2, ""]);
});

test("the next person is shown nothing of it", async () => {
  await readHoldings();
  group.value = "savings";
  logOut();
  assert.deepEqual([holdings.value, group.value, trouble.value], [null, "", ""]);
});
