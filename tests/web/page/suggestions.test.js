import "./browser.js";
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { advance, settle } from "./clock.js";
import { FakeServer } from "./fake_socket.js";
import { logIn } from "../../../src/stocktrack/web/page/session.js";
import { day } from "../../../src/stocktrack/web/page/format.js";
import { isOpen, marked, matches, moveMark, placeOf, suggest, symbolsMeant } from "../../../src/stocktrack/web/page/suggestions.js";

const APPLE = { symbol: "AAPL", name: "Apple Inc." };
const APPLIED = { symbol: "AMAT", name: "Applied Materials" };
const server = new FakeServer();
await logIn("ann", "a password");
await settle();

const suggested = () => matches.value.map(({ symbol }) => symbol);
const queries = () => server.asked("SEARCH").map(({ query }) => query);

/** Type a text and let its suggestions come. */
async function type(text, found = [APPLE, APPLIED]) {
  server.answers.SEARCH = { matches: found };
  suggest(text);
  await advance(180);
}

beforeEach(() => {
  suggest("");
  marked.value = -1;
  server.commands.length = 0;
});

test("while somebody types nothing is asked, and then once for the whole text", async () => {
  server.answers.SEARCH = { matches: [APPLE] };
  for (const text of ["a", "ap", "app"]) {
    suggest(text);
    await advance(179);
  }
  assert.deepEqual(queries(), []);
  await advance(1);
  assert.deepEqual([queries(), suggested(), isOpen.value], [["app"], ["AAPL"], true]);
});

test("an answer to a text that has changed meanwhile is not shown", async () => {
  server.answers.SEARCH = () => undefined;
  suggest("tsl");
  await advance(180);
  const [{ id }] = server.asked("SEARCH");
  suggest("appl");
  await server.push({ type: "SEARCH", id, code: 200, matches: [{ symbol: "TSLA" }] });
  assert.deepEqual(suggested(), []);
});

test("an empty field has no suggestions and asks nothing, even where an answer is still to come", async () => {
  server.answers.SEARCH = { matches: [APPLE] };
  suggest("app");
  await advance(100);
  suggest("");
  await advance(1_000);
  assert.deepEqual([queries(), suggested(), isOpen.value], [[], [], false]);
});

test("where nothing is found, or the server refuses, the suggestions are closed", async () => {
  await type("app");
  await type("xyz", []);
  assert.equal(isOpen.value, false);
  await type("app");
  server.answers.SEARCH = { code: 429, reason: "rate_limited" };
  suggest("appl");
  await advance(180);
  assert.deepEqual([suggested(), isOpen.value], [[], false]);
});

test("a long text is cut to what the server takes", async () => {
  await type("a".repeat(300));
  assert.equal(queries()[0].length, 100);
});

test("a marked suggestion is meant, whatever is typed", async () => {
  await type("app");
  moveMark(1);
  moveMark(1);
  assert.deepEqual(symbolsMeant("app"), ["AMAT"]);
});

test("a name means its best suggestion, and a symbol that is suggested means itself", async () => {
  await type("apple");
  assert.deepEqual(symbolsMeant("apple"), ["AAPL"]);
  await type("amat");
  assert.deepEqual(symbolsMeant("amat"), ["AMAT"]);
});

test("several symbols are meant as they are typed", async () => {
  await type("app, apl");
  assert.deepEqual(symbolsMeant("app, apl"), ["APP", "APL"]);
});

test("suggestions for another text do not count", async () => {
  await type("tsl");
  assert.deepEqual(symbolsMeant("tsla"), ["TSLA"]);
});

test("without suggestions what is typed is meant, and a text that is no symbol means nothing", async () => {
  await type("tsla", []);
  assert.deepEqual(symbolsMeant("tsla"), ["TSLA"]);
  await type("Société Générale", []);
  assert.deepEqual(symbolsMeant("Société Générale"), []);
});

test("the mark goes through the suggestions and the field, round and round, and new suggestions begin unmarked", async () => {
  await type("app");
  const way = (step) => [1, 2, 3].map(() => {
    moveMark(step);
    return marked.value;
  });
  assert.deepEqual([way(1), way(-1)], [[0, 1, -1], [1, 0, -1]]);
  moveMark(1);
  await type("appl");
  assert.equal(marked.value, -1);
});

test("a suggestion says where it is traded, and a contract which one it is", () => {
  assert.equal(placeOf({ symbol: "AAPL", exchange: "NASDAQ" }), "NASDAQ");
  assert.equal(placeOf({ symbol: "RELIANCE", exchange: "NSE", type: "EQ" }), "NSE");
  assert.equal(
    placeOf({ symbol: "NFO:NIFTY24APR18000CE", exchange: "NFO", type: "CE", strike: 18_000, expiry: "2024-04-25" }),
    `NFO · CE ${(18_000).toLocaleString()} · ${day("2024-04-25")}`,
  );
  assert.equal(placeOf({ symbol: "NFO:NIFTY24APRFUT", type: "FUT", expiry: "2024-04-25" }), `FUT · ${day("2024-04-25")}`);
  assert.equal(placeOf({ symbol: "X" }), "");
});
