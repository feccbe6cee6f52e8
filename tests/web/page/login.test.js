import "./browser.js";
import assert from "node:assert/strict";
import { test } from "node:test";

import { replaceGlobal } from "./globals.js";

replaceGlobal("location", { hash: "", pathname: "/", search: "" });
replaceGlobal("history", {});
const { prefilled } = await import("../../../src/stocktrack/web/page/frame/login.js");

function open(hash) {
  const addresses = [];
  const given = prefilled({ hash, pathname: "/board/", search: "?a=1" }, { replaceState: (state, title, address) => addresses.push(address) });
  return { given, addresses };
}

test("a link fills in name and password, and the password leaves the address", () => {
  const { given, addresses } = open("#user=demo&password=a%20b%26c");
  assert.deepEqual(given, { user: "demo", password: "a b&c" });
  assert.deepEqual(addresses, ["/board/?a=1"]);
});

test("a link with a name alone leaves the password to be typed", () => {
  assert.deepEqual(open("#user=demo"), { given: { user: "demo", password: "" }, addresses: ["/board/?a=1"] });
});

test("any other address stays as it is and fills in nothing", () => {
  assert.deepEqual(open(""), { given: { user: "", password: "" }, addresses: [] });
  assert.deepEqual(open("#top"), { given: { user: "", password: "" }, addresses: [] });
});
