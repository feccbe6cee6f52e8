import { fakeDocument, fakeWindow, lastingStorage } from "./browser.js";
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { advance, settle } from "./clock.js";
import { FakeServer, sockets } from "./fake_socket.js";
import { ask } from "../../../src/stocktrack/web/page/session/asking.js";
import { showList } from "../../../src/stocktrack/web/page/session/lists.js";
import { logIn, logOut, reconnectNow, resume } from "../../../src/stocktrack/web/page/session/session.js";
import { add, refresh, remove } from "../../../src/stocktrack/web/page/session/shown-list.js";
import { chosen, clockOffset, current, isLoaded, link, list, lists, notices, outages, phase, stocks, user } from "../../../src/stocktrack/web/page/session/state.js";

const TOKEN = "stocktrack.token:/board/";
let server;

const board = () => [...stocks.value.keys()];
const texts = () => notices.value.map(({ text }) => text);
const status = () => link.value.status;

beforeEach(() => {
  server = new FakeServer();
  Math.random = () => 0; // the shortest of the waits that a try may have
});

afterEach(async () => {
  server.isUp = true;
  logOut();
  await advance(60_000);
  lastingStorage.removeItem(TOKEN);
  notices.value = [];
  outages.value = [];
});

async function logInWith(...symbols) {
  server.saved = symbols;
  await logIn("ann", "a password");
  await settle();
}

// --- logging in and out ---

test("after the login the saved stocks stand on the board with their prices, and each change is pushed", async () => {
  server.prices = { AAPL: 189.45 };
  await logInWith("AAPL", "TSLA");
  assert.deepEqual([phase.value, user.value, status(), isLoaded.value], ["board", "ann", "online", true]);
  assert.deepEqual(board(), ["AAPL", "TSLA"]);
  assert.equal(stocks.value.get("AAPL").quote.price, 189.45);
  assert.deepEqual(server.asked("SUBSCRIBE").map(({ interval, symbols }) => [interval, symbols]), [[0, undefined]]);
  await server.push({ type: "PRICE", ...server.quote("AAPL", { price: 190 }) });
  assert.equal(stocks.value.get("AAPL").quote.price, 190);
});

test("the page asks the server that it came from, encrypted as the page is", async () => {
  await logInWith();
  assert.equal(server.socket.url, "wss://quotes.example/board/ws");
});

test("an empty list asks for no prices", async () => {
  await logInWith();
  assert.deepEqual([board(), isLoaded.value, server.asked("SUBSCRIBE")], [[], true, []]);
});

test("a wrong password is told, and the page stays at the login without a connection", async () => {
  server.answers.AUTH = { code: 401, reason: "bad_credentials", message: "The name or the password is wrong." };
  await assert.rejects(logIn("ann", "wrong"), { message: "The name or the password is wrong." });
  await advance(60_000);
  assert.deepEqual([phase.value, status(), lastingStorage.getItem(TOKEN)], ["login", "off", null]);
  assert.equal(server.socket.readyState, 2);
});

test("a server that is not there is told, and nothing is tried again by itself", async () => {
  server.isUp = false;
  const before = sockets.length;
  await assert.rejects(logIn("ann", "a password"), /does not answer/);
  await advance(60_000);
  assert.deepEqual([sockets.length - before, phase.value], [1, "login"]);
});

test("a reload needs no password: the browser keeps a token and nothing else", async () => {
  await logInWith("AAPL");
  assert.equal(lastingStorage.getItem(TOKEN), "a token");
  server.socket.drop();
  server.commands.length = 0;
  await advance(250);
  assert.equal(server.asked("AUTH")[0].token, "a token");
  assert.equal(server.asked("AUTH")[0].password, undefined);
});

test("where the server gives no tokens the password is used again, and never stored", async () => {
  server.hello = { auth: ["password"] };
  await logInWith("AAPL");
  assert.deepEqual([server.asked("TOKEN"), lastingStorage.getItem(TOKEN)], [[], null]);
  server.socket.drop();
  server.commands.length = 0;
  await advance(250);
  assert.deepEqual([server.asked("AUTH")[0].username, server.asked("AUTH")[0].password], ["ann", "a password"]);
});

test("a server that fails to make a token logs in all the same", async () => {
  server.answers.TOKEN = { code: 500, reason: "storage_error" };
  await logInWith("AAPL");
  assert.deepEqual([status(), lastingStorage.getItem(TOKEN)], ["online", null]);
});

test("a browser with a token goes on without a login, and one without stays at the login", async () => {
  resume();
  assert.equal(phase.value, "login");
  lastingStorage.setItem(TOKEN, "kept");
  server.saved = ["MSFT"];
  resume();
  await settle();
  assert.deepEqual([phase.value, board(), server.asked("AUTH")[0].token], ["board", ["MSFT"], "kept"]);
});

test("a token that is not valid any more leads to the login, with a reason, and is forgotten", async () => {
  lastingStorage.setItem(TOKEN, "old");
  server.answers.AUTH = { code: 401, reason: "bad_credentials", message: "no" };
  const before = sockets.length;
  resume();
  await advance(60_000);
  assert.deepEqual([phase.value, lastingStorage.getItem(TOKEN), sockets.length - before], ["login", null, 1]);
});

test("a login that the server was too slow for is tried again, and the token stays", async () => {
  lastingStorage.setItem(TOKEN, "kept");
  const accepts = server.answers.AUTH;
  server.answers.AUTH = { code: 401, reason: "auth_timeout", message: "too late" };
  resume();
  await settle();
  assert.deepEqual([phase.value, status(), lastingStorage.getItem(TOKEN)], ["board", "waiting", "kept"]);
  server.answers.AUTH = accepts;
  await advance(30_000);
  assert.equal(status(), "online");
});

test("a logout says goodbye, forgets everything, and ends the connection for good", async () => {
  await logInWith("AAPL");
  const { socket } = server;
  const before = sockets.length;
  logOut();
  await advance(60_000);
  assert.equal(server.asked("LOGOUT").length, 1);
  assert.deepEqual([phase.value, user.value, board(), lists.value, lastingStorage.getItem(TOKEN)], ["login", "", [], [], null]);
  assert.deepEqual([socket.readyState, sockets.length - before], [2, 0]);
});

test("a logout ends the token at the server, also one that was kept over a reload", async () => {
  await logInWith("AAPL");
  logOut();
  await settle();
  lastingStorage.setItem(TOKEN, "kept");
  resume();
  await settle();
  logOut();
  await settle();
  assert.deepEqual(server.asked("REVOKE").map(({ token_id: id }) => id), ["k1", "k7"]);
  assert.equal(server.asked("LOGOUT").length, 2);
});

test("a logout without a connection makes one to end the token, and says nothing where there is no server", async () => {
  await logInWith("AAPL");
  server.isUp = false;
  server.socket.drop();
  await settle();
  server.isUp = true;
  server.commands.length = 0;
  logOut();
  await settle();
  assert.deepEqual(server.commands.map(({ type }) => type), ["AUTH", "REVOKE", "LOGOUT"]);
  assert.equal(server.socket.readyState, 2);
  lastingStorage.setItem(TOKEN, "kept");
  server.isUp = false;
  resume();
  await settle();
  logOut();
  await advance(60_000);
  assert.deepEqual([phase.value, texts()], ["login", []]);
});

// --- several tabs ---

/** What this tab is told when another one keeps `token`, or forgets what is kept (null). */
async function elsewhere(token, key = TOKEN) {
  if (token === null) lastingStorage.removeItem(TOKEN);
  else lastingStorage.setItem(TOKEN, token);
  fakeWindow.dispatchEvent(Object.assign(new Event("storage"), { key }));
  await settle();
}

test("a login in another tab is one here as well", async () => {
  resume();
  assert.equal(phase.value, "login");
  server.saved = ["AAPL"];
  await elsewhere("theirs");
  assert.deepEqual([phase.value, board(), server.asked("AUTH")[0].token], ["board", ["AAPL"], "theirs"]);
});

test("a logout in another tab is one here as well, which ends the session and no token a second time", async () => {
  await logInWith("AAPL");
  const { socket } = server;
  await elsewhere(null);
  assert.deepEqual([phase.value, user.value, board()], ["login", "", []]);
  assert.deepEqual([server.asked("REVOKE"), server.asked("LOGOUT").length, socket.readyState], [[], 1, 2]);
  assert.deepEqual(texts(), ["You were logged out in another tab."]);
  const before = sockets.length;
  await advance(60_000);
  assert.equal(sockets.length, before);
});

test("another login in another tab is followed, and the token of before is ended", async () => {
  await logInWith("AAPL");
  server.saved = ["TSLA"];
  await elsewhere("of somebody else");
  assert.deepEqual([phase.value, board(), server.asked("AUTH").at(-1).token], ["board", ["TSLA"], "of somebody else"]);
  assert.deepEqual(server.asked("REVOKE").map(({ token_id: id }) => id), ["k1"]);
  assert.equal(lastingStorage.getItem(TOKEN), "of somebody else");
});

test("a tab that was asleep follows when it is looked at again", async () => {
  await logInWith("AAPL");
  lastingStorage.removeItem(TOKEN);
  fakeDocument.dispatchEvent(new Event("visibilitychange"));
  await settle();
  assert.equal(phase.value, "login");
});

test("what another tab keeps besides is nothing to a login, and neither is its own token", async () => {
  await logInWith("AAPL");
  const before = sockets.length;
  fakeWindow.dispatchEvent(Object.assign(new Event("storage"), { key: "stocktrack.theme" }));
  await elsewhere("a token");
  assert.deepEqual([phase.value, sockets.length - before], ["board", 0]);
});

test("where the server gives no tokens each tab has a login of its own", async () => {
  server.hello = { auth: ["password"] };
  await logInWith("AAPL");
  await elsewhere(null);
  await elsewhere("theirs");
  assert.deepEqual([phase.value, board()], ["board", ["AAPL"]]);
});

test("a browser that keeps nothing has a login all the same, for the one tab", async (context) => {
  context.mock.method(lastingStorage, "setItem", () => {
    throw new Error("forbidden");
  });
  context.mock.method(lastingStorage, "getItem", () => {
    throw new Error("forbidden");
  });
  await logInWith("AAPL");
  fakeDocument.dispatchEvent(new Event("visibilitychange"));
  await settle();
  assert.deepEqual([phase.value, board()], ["board", ["AAPL"]]);
});

test("a token that ends here is left alone where another one has taken its place", async () => {
  await logInWith("AAPL");
  lastingStorage.setItem(TOKEN, "newer");
  logOut();
  await settle();
  assert.equal(lastingStorage.getItem(TOKEN), "newer");
});

test("a server that knows no REVOKE is left all the same", async () => {
  server.answers.REVOKE = { code: 400, reason: "unknown_command" };
  await logInWith("AAPL");
  logOut();
  await settle();
  assert.equal(server.asked("LOGOUT").length, 1);
});

test("a logout while the page is connecting ends that connection, and nobody is logged in", async () => {
  lastingStorage.setItem(TOKEN, "kept");
  server.answers.AUTH = () => undefined;
  resume();
  await settle();
  const { socket } = server;
  const [{ id }] = server.asked("AUTH");
  logOut();
  socket.say({ type: "AUTH", id, code: 200, username: "ann", symbols: [] });
  await advance(60_000);
  assert.deepEqual([phase.value, status(), socket.readyState, server.asked("MY_STOCKS")], ["login", "off", 2, []]);
});

// --- losing the connection ---

test("a lost connection is tried again after a growing wait until the server is back, and the board stays", async () => {
  await logInWith("AAPL");
  server.isUp = false;
  const before = sockets.length;
  server.socket.drop();
  await settle();
  assert.deepEqual([status(), link.value.wasOnline, board()], ["waiting", true, ["AAPL"]]);
  assert.equal(link.value.retryAt, Date.now() + 250);
  const tries = [];
  for (let second = 0; second < 8; second += 1) {
    await advance(1_000);
    tries.push(sockets.length - before);
  }
  // At 0.25, 0.75, 1.75, 3.75 and 7.75 s.
  assert.deepEqual(tries, [2, 3, 3, 4, 4, 4, 4, 5]);
  server.isUp = true;
  server.prices = { AAPL: 150 };
  await advance(30_000);
  assert.deepEqual([status(), stocks.value.get("AAPL").quote.price], ["online", 150]);
});

test("the person is told when prices are live again", async () => {
  await logInWith("AAPL");
  assert.deepEqual(texts(), []);
  server.socket.drop();
  await advance(250);
  assert.deepEqual(texts(), ["Connected again. Prices are live."]);
});

test("a restarted server counts from the beginning, and its prices are taken all the same", async () => {
  server.seq = 900;
  await logInWith("AAPL");
  server.seq = 1;
  server.prices = { AAPL: 150 };
  server.socket.drop();
  await advance(250);
  assert.deepEqual([stocks.value.get("AAPL").quote.price, stocks.value.get("AAPL").quote.seq], [150, 1]);
});

test("a server that stops is given the time that it asked for", async () => {
  await logInWith("AAPL");
  const before = sockets.length;
  server.socket.say({ type: "NOTICE", code: 501, reason: "shutdown", message: "stops", retry_after_ms: 5_000 });
  server.socket.drop();
  await advance(4_999);
  assert.equal(sockets.length, before);
  await advance(1);
  assert.equal(sockets.length, before + 1);
});

test("a server that is full is asked again no earlier than it says", async () => {
  await logInWith("AAPL");
  const { AUTH } = server.answers;
  server.answers.AUTH = { code: 429, reason: "login_throttled", retry_after_ms: 20_000 };
  server.socket.drop();
  await advance(250);
  const tries = server.asked("AUTH").length;
  server.answers.AUTH = AUTH;
  await advance(20_000);
  assert.equal(server.asked("AUTH").length, tries);
  await advance(1_000);
  assert.deepEqual([server.asked("AUTH").length, status()], [tries + 1, "online"]);
});

test("the wait ends at once when the person says so, when the network is back, and when the page is looked at", async () => {
  await logInWith("AAPL");
  const wakeUps = [
    reconnectNow,
    () => fakeWindow.dispatchEvent(new Event("online")),
    () => fakeDocument.dispatchEvent(new Event("visibilitychange")),
  ];
  for (const wakeUp of wakeUps) {
    server.socket.drop();
    await settle();
    assert.equal(status(), "waiting");
    wakeUp();
    await settle();
    assert.equal(status(), "online");
  }
});

test("a page that goes out of sight does not end the wait", async () => {
  await logInWith("AAPL");
  server.socket.drop();
  await settle();
  fakeDocument.hidden = true;
  fakeDocument.dispatchEvent(new Event("visibilitychange"));
  await settle();
  assert.equal(status(), "waiting");
  fakeDocument.hidden = false;
});

test("outages of the old connection are not kept over its loss", async () => {
  await logInWith("AAPL");
  await server.push({ type: "NOTICE", code: 500, reason: "provider_error", message: "out", symbols: ["AAPL"] });
  assert.equal(outages.value.length, 1);
  server.socket.drop();
  await settle();
  assert.deepEqual(outages.value, []);
});

test("without a connection a command fails at once, with a sentence", async () => {
  await assert.rejects(ask("PING"), { message: "The connection to the server is lost." });
});

// --- the server's clock ---

test("ages follow the server's clock: half of the way there and back is taken off, and it is read every minute", async () => {
  server.answers.PING = () => undefined;
  server.saved = ["AAPL"];
  await logIn("ann", "a password");
  await settle();
  const [{ id }] = server.asked("PING");
  const asked = Date.now();
  await advance(200);
  await server.push({ type: "PING", id, code: 200, timestamp: asked + 100 + 7_000 });
  assert.equal(clockOffset.value, 7_000);
  server.answers.PING = () => ({ timestamp: Date.now() - 3_000 });
  await advance(60_000);
  assert.equal(clockOffset.value, -3_000);
});

// --- the list ---

test("symbols that are added come to the end of the board, with the keyboard on the first of them", async () => {
  await logInWith("AAPL");
  assert.equal(await add(["MSFT", "TSLA"]), true);
  await settle();
  assert.deepEqual([board(), current.value], [["AAPL", "MSFT", "TSLA"], "MSFT"]);
  assert.deepEqual(server.asked("GET").at(-1).symbols, ["MSFT", "TSLA"]);
  assert.equal(stocks.value.get("TSLA").quote.price, 100);
});

test("of several symbols the unknown one is named, and the others are added", async () => {
  await logInWith();
  server.unknown.add("NOPE");
  assert.equal(await add(["NOPE", "MSFT"]), false);
  assert.deepEqual([board(), texts()], [["MSFT"], ["NOPE: no source knows this symbol."]]);
});

test("what the server says of a missing symbol stands in place of the words for its reason, and those of one reason together", async () => {
  await logInWith("AAPL");
  const missing = [
    { symbol: "NOPE", code: 404, reason: "unknown_symbol" },
    { symbol: "OLD", code: 404, reason: "not_offered", message: "it expired on 25 April 2024." },
    { symbol: "NADA", code: 404, reason: "unknown_symbol" },
  ];
  server.answers.SUBSCRIBE = { subscribed: [], already: ["AAPL"], pending: [], missing, symbols: ["AAPL"] };
  assert.equal(await add(["NOPE", "OLD", "NADA", "AAPL"]), false);
  assert.deepEqual(texts(), ["NOPE, NADA: no source knows this symbol. OLD: it expired on 25 April 2024."]);
});

test("a saved stock without a price keeps what the server says of it", async () => {
  const missing = [{ symbol: "OLD", code: 404, reason: "not_offered", message: "It expired on 25 April 2024." }];
  server.answers.MY_STOCKS = { symbols: ["OLD"], quotes: [], missing };
  server.answers.SUBSCRIBE = { subscribed: ["OLD"], already: [], pending: [], missing, symbols: [] };
  await logInWith("OLD");
  assert.deepEqual([stocks.value.get("OLD").missing, stocks.value.get("OLD").told], ["not_offered", "It expired on 25 April 2024."]);
});

test("a symbol that cannot be checked while its source is out is on the board and waits", async () => {
  await logInWith();
  server.answers.SUBSCRIBE = { subscribed: [], already: [], pending: ["TSLA"], missing: [], symbols: [] };
  await add(["TSLA"]);
  assert.deepEqual([board(), stocks.value.get("TSLA").missing], [["TSLA"], "pending"]);
  assert.deepEqual(server.asked("GET"), []);
});

test("a saved stock that waits for its source, or has no price, says so from the beginning", async () => {
  server.answers.MY_STOCKS = { symbols: ["AAPL", "TSLA", "MSFT"], quotes: [], missing: [{ symbol: "AAPL", code: 500, reason: "provider_timeout" }] };
  server.answers.SUBSCRIBE = { subscribed: [], already: [], pending: ["TSLA"], missing: [{ symbol: "MSFT", code: 500, reason: "provider_error" }], symbols: [] };
  await logInWith("AAPL", "TSLA", "MSFT");
  assert.deepEqual([...stocks.value.values()].map(({ missing }) => missing), ["provider_timeout", "pending", "provider_error"]);
});

test("a list that holds only symbols that no source knows is shown, and each can be removed", async () => {
  const gone = ["GONE", "LOST"].map((symbol) => ({ symbol, code: 404, reason: "unknown_symbol" }));
  server.answers.MY_STOCKS = () => ({ symbols: server.saved, quotes: [], missing: gone, lists: ["main"] });
  server.answers.SUBSCRIBE = ({ symbols }) => symbols
    ? { subscribed: symbols, already: [], pending: [], missing: [], symbols }
    : { code: 404, reason: "unknown_symbol", message: "No source knows the symbol GONE.", retryable: false, missing: gone };
  const before = sockets.length;
  await logInWith("GONE", "LOST");
  await advance(600_000);
  assert.deepEqual([status(), sockets.length - before, board()], ["online", 1, ["GONE", "LOST"]]);
  assert.deepEqual([...stocks.value.values()].map(({ missing }) => missing), ["unknown_symbol", "unknown_symbol"]);
  await remove("GONE");
  assert.deepEqual([board(), server.saved], [["LOST"], ["LOST"]]);
  assert.equal(await add(["AAPL"]), true);
  assert.deepEqual(board(), ["LOST", "AAPL"]);
});

test("a list that is refused is told and not asked for again and again", async () => {
  const answers = { ...server.answers };
  for (const [type, refused] of [
    ["SUBSCRIBE", { code: 400, reason: "symbol_limit", message: "These are 600 symbols; at most 500 are allowed." }],
    ["SUBSCRIBE", { code: 404, reason: "not_offered", message: "No source offers it." }],
    ["MY_STOCKS", { code: 400, reason: "symbol_limit", message: "The reply would be too long." }],
  ]) {
    server.answers = { ...answers, [type]: { ...refused, retryable: false } };
    notices.value = [];
    const before = sockets.length;
    await logInWith("AAPL");
    assert.deepEqual(texts(), [refused.message]);
    await advance(600_000);
    assert.deepEqual([status(), sockets.length - before], ["online", 1]);
    logOut();
    await settle();
  }
});

test("a list that can't be read for the moment is asked for again", async () => {
  const { MY_STOCKS } = server.answers;
  server.answers.MY_STOCKS = { code: 500, reason: "storage_error", message: "The database failed.", retryable: true };
  await logInWith("AAPL");
  assert.equal(status(), "waiting");
  server.answers.MY_STOCKS = MY_STOCKS;
  await advance(30_000);
  assert.deepEqual([status(), board()], ["online", ["AAPL"]]);
});

test("a stock that is removed can be brought back", async () => {
  await logInWith("AAPL", "MSFT");
  await remove("AAPL");
  assert.deepEqual([board(), server.saved], [["MSFT"], ["MSFT"]]);
  const [{ text, action }] = notices.value;
  assert.deepEqual([text, action.label], ["AAPL removed.", "Undo"]);
  action.run();
  await settle();
  assert.deepEqual([board(), server.saved], [["AAPL", "MSFT"], ["AAPL", "MSFT"]]);
});

test("a stock that another client has removed already goes from the board too", async () => {
  await logInWith("AAPL");
  server.answers.UNSUBSCRIBE = { code: 404, reason: "not_subscribed", message: "no" };
  await remove("AAPL");
  assert.deepEqual(board(), []);
});

test("a stock that the server cannot remove stays, and the reason is told", async () => {
  await logInWith("AAPL");
  server.answers.UNSUBSCRIBE = { code: 500, reason: "storage_error", message: "The database failed." };
  await remove("AAPL");
  assert.deepEqual([board(), texts()], [["AAPL"], ["The database failed."]]);
});

test("when the stock in the panel goes the panel closes and the keyboard stands on its neighbour", async () => {
  await logInWith("AAPL", "MSFT", "TSLA");
  chosen.value = "MSFT";
  await remove("MSFT");
  assert.deepEqual([chosen.value, current.value], [null, "TSLA"]);
  chosen.value = "TSLA";
  await remove("TSLA");
  assert.deepEqual([chosen.value, current.value], [null, "AAPL"]);
});

test("a symbol that turns out unknown is taken off the board by the server's notice", async () => {
  await logInWith("AAPL", "NOPE");
  await server.push({ type: "NOTICE", code: 404, reason: "unknown_symbol", symbols: ["NOPE"], message: "No source knows NOPE." });
  assert.deepEqual(board(), ["AAPL"]);
});

test("a stock in the panel that another client has removed meanwhile leaves the panel with the connection's renewal", async () => {
  await logInWith("AAPL", "MSFT");
  chosen.value = "AAPL";
  server.socket.drop();
  await advance(250);
  assert.equal(chosen.value, "AAPL");
  server.saved = ["MSFT"];
  server.socket.drop();
  await advance(250);
  assert.deepEqual([chosen.value, board()], [null, ["MSFT"]]);
});

test("a price of a stock that is not on the board is left out", async () => {
  await logInWith("AAPL");
  await server.push({ type: "PRICE", ...server.quote("TSLA") });
  assert.deepEqual(board(), ["AAPL"]);
});

test("a refresh brings whole quotes, and one that fails leaves the prices as they are", async () => {
  await logInWith("AAPL");
  server.answers.GET = { quotes: [server.quote("AAPL", { name: "Apple Inc.", open: 99 })], missing: [] };
  await refresh(["AAPL"]);
  assert.equal(stocks.value.get("AAPL").details.open, 99);
  server.answers.GET = { code: 500, reason: "provider_error" };
  await refresh(["AAPL"]);
  assert.equal(stocks.value.get("AAPL").details.open, 99);
  const asked = server.asked("GET").length;
  await refresh([]);
  assert.equal(server.asked("GET").length, asked);
});

// --- several lists ---

test("another list shows its own stocks, and the prices of the first are not pushed any more", async () => {
  await logInWith("AAPL");
  server.answers.MY_STOCKS = ({ list: name }) => ({ symbols: name === "tech" ? ["MSFT"] : ["AAPL"], quotes: [], missing: [], lists: ["main", "tech"] });
  await showList("tech");
  assert.deepEqual([list.value, lists.value, board()], ["tech", ["main", "tech"], ["MSFT"]]);
  const [stopped] = server.asked("UNSUBSCRIBE");
  assert.deepEqual([stopped.symbols, stopped.save], [["AAPL"], false]);
  assert.equal(server.asked("SUBSCRIBE").at(-1).list, "tech");
  await add(["TSLA"]);
  assert.equal(server.asked("SUBSCRIBE").at(-1).list, "tech");
  await remove("MSFT");
  const taken = server.asked("SET_LIST").at(-1);
  assert.deepEqual([taken.list, taken.symbols, taken.change, taken.keep], ["tech", ["MSFT"], "remove", true]);
  assert.deepEqual([server.asked("UNSUBSCRIBE").at(-1).symbols, server.asked("UNSUBSCRIBE").at(-1).save], [["MSFT"], false]);
});

test("a new list has its tab before the server knows it", async () => {
  await logInWith("AAPL");
  server.answers.MY_STOCKS = { symbols: [], quotes: [], missing: [], lists: ["main"] };
  await showList("new");
  assert.deepEqual([lists.value, board(), isLoaded.value], [["main", "new"], [], true]);
});

test("another list is shown with the stock that is meant, or without one", async () => {
  await logInWith("AAPL");
  server.answers.MY_STOCKS = { symbols: ["MSFT"], quotes: [], missing: [], lists: ["main", "tech"] };
  await showList("tech", "MSFT");
  assert.equal(chosen.value, "MSFT");
  await showList("main");
  assert.equal(chosen.value, null);
});

test("where an address names a list that is gone the first one is shown", async () => {
  list.value = "gone";
  server.answers.MY_STOCKS = ({ list: name }) => ({ symbols: name ? [] : ["AAPL"], quotes: [], missing: [], lists: ["main", "tech"] });
  await logInWith("AAPL");
  assert.deepEqual([list.value, lists.value, board()], ["main", ["main", "tech"], ["AAPL"]]);
});

test("the list that is shown already is not read again", async () => {
  await logInWith("AAPL");
  const before = server.commands.length;
  await showList("main");
  assert.equal(server.commands.length, before);
});

test("a list that cannot be read is told", async () => {
  await logInWith("AAPL");
  server.answers.MY_STOCKS = { code: 500, reason: "storage_error", message: "The database failed." };
  await showList("tech");
  assert.deepEqual(texts(), ["The database failed."]);
});
