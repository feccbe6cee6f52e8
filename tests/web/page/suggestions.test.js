import "./browser.js";
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { advance, settle } from "./clock.js";
import { FakeServer } from "./fake_socket.js";
import { logIn } from "../../../src/stocktrack/web/page/session/session.js";
import { day } from "../../../src/stocktrack/web/page/figures/format.js";
import { closeSuggestions, isOpen, marked, matches, moveMark, placeOf, returned, suggest, suggestionsFor } from "../../../src/stocktrack/web/page/frame/suggestions.js";

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

test("a new text has nothing marked, also before its own suggestions come", async () => {
  await type("app");
  moveMark(1);
  assert.deepEqual([marked.value, returned.value], [0, 0]);
  suggest("appl");
  assert.deepEqual([marked.value, returned.value, suggested()], [-1, -1, ["AAPL", "AMAT"]]);
});

test("the suggestion that the return key takes is shown: the one of that name, or of that symbol", async () => {
  await type("apple");
  assert.equal(returned.value, 0);
  await type("amat");
  assert.equal(returned.value, 1);
  await type("app"); // tried as a symbol first
  assert.equal(returned.value, -1);
});

test("whoever cannot wait for the pause between keys has the suggestions asked for at once, and once", async () => {
  server.answers.SEARCH = { matches: [APPLE] };
  suggest("app");
  const first = suggestionsFor("app");
  const second = suggestionsFor("app");
  assert.deepEqual([await first, await second, queries()], [[APPLE], [APPLE], ["app"]]);
  await advance(1_000);
  assert.deepEqual([await suggestionsFor("app"), queries(), isOpen.value], [[APPLE], ["app"], true]);
});

test("a refused search has no suggestions, and without a connection it is no answer", async () => {
  server.answers.SEARCH = { code: 429, reason: "rate_limited" };
  suggest("app");
  assert.deepEqual(await suggestionsFor("app"), []);
  server.answers.SEARCH = () => undefined;
  suggest("tesla");
  const waiting = suggestionsFor("tesla");
  server.isUp = false;
  server.socket.drop();
  await assert.rejects(waiting, /connection to the server is lost/);
  server.isUp = true;
  await advance(60_000);
});

test("what a search finds twice is suggested once", async () => {
  await type("app", [APPLE, APPLIED, APPLE]);
  assert.deepEqual(suggested(), ["AAPL", "AMAT"]);
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

test("a suggestion that is shown no longer is not marked either: the return key takes the text", async () => {
  await type("app");
  moveMark(1);
  assert.equal(marked.value, 0);
  closeSuggestions();
  assert.deepEqual([isOpen.value, marked.value, suggested()], [false, -1, ["AAPL", "AMAT"]]);
  moveMark(1);
  assert.equal(marked.value, 0);
});
