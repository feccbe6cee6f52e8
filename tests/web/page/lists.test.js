import "./browser.js";
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { advance, settle } from "./clock.js";
import { FakeServer, sockets } from "./fake_socket.js";
import { beginList, MAIN_STAYS, moveList, orderLists, readShown, removeList, renameList, showList } from "../../../src/stocktrack/web/page/session/lists.js";
import { add, load, putInOrder, remove } from "../../../src/stocktrack/web/page/session/shown-list.js";
import { logIn, logOut } from "../../../src/stocktrack/web/page/session/session.js";
import { take } from "../../../src/stocktrack/web/page/frame/taking.js";
import { chosen, current, isLoaded, list, lists, notices, stocks, unread } from "../../../src/stocktrack/web/page/session/state.js";

let server;
/** What is on each list of the server, by name, in the order of the lists. */
let saved;

const board = () => [...stocks.value.keys()];
const texts = () => notices.value.map(({ text }) => text);
const fields = ({ type, id, ...rest }) => [type, rest, typeof id][1];
const refused = (reason, message) => ({ code: reason === "unknown_list" ? 404 : 400, reason, message, retryable: false });

beforeEach(async () => {
  server = new FakeServer();
  saved = new Map([["main", ["AAPL", "MSFT", "TSLA"]], ["tech", ["NVDA"]]]);
  const infos = () => [...saved].map(([name, symbols]) => ({ list: name, count: symbols.length }));
  Object.assign(server.answers, {
    MY_STOCKS: ({ list: name = "main" }) => {
      const symbols = [...(saved.get(name) ?? [])];
      return { list: name, lists: [...saved.keys()], symbols, quotes: symbols.map((symbol) => server.quote(symbol)), missing: [] };
    },
    SUBSCRIBE: ({ symbols, list: name = "main", save = true }) => {
      if (save && symbols) saved.set(name, [...new Set([...(saved.get(name) ?? []), ...symbols])]);
      return { subscribed: symbols ?? saved.get(name), already: [], pending: [], missing: [], symbols: [] };
    },
    UNSUBSCRIBE: ({ symbols, save = true }) => {
      if (save) saved.set("main", saved.get("main").filter((symbol) => !symbols.includes(symbol)));
      return { removed: symbols, missing: [], symbols: [] };
    },
    LISTS: () => ({ lists: infos() }),
    SET_LIST: ({ list: name = "main", symbols, change = "replace" }) => {
      const before = saved.get(name) ?? [];
      const others = before.filter((symbol) => !symbols.includes(symbol));
      saved.set(name, { replace: symbols, remove: others, add: [...before, ...symbols], order: [...symbols, ...others] }[change]);
      return { list: name, symbols: saved.get(name), pending: [], missing: [] };
    },
    RENAME_LIST: ({ list: name, name: newName }) => {
      saved = new Map([...saved].map(([each, symbols]) => [each === name ? newName : each, symbols]));
      return { list: name, name: newName };
    },
    REMOVE_LIST: ({ list: name }) => {
      const symbols = saved.get(name);
      saved.delete(name);
      return { list: name, symbols };
    },
    ORDER_LISTS: ({ lists: names }) => {
      saved = new Map([...new Set([...names, ...saved.keys()])].map((name) => [name, saved.get(name)]));
      return { lists: infos() };
    },
  });
  await logIn("ann", "a password");
  await settle();
});

afterEach(async () => {
  logOut();
  await advance(60_000);
  notices.value = [];
});

/** The server tells that others have changed these lists. */
const news = (...names) => server.push({ type: "NOTICE", code: 100, reason: "lists_changed", message: "Changed.", lists: names });

async function undo() {
  notices.value.at(-1).action.run();
  await settle();
}

// --- the lists themselves ---

test("a list that is named is there at once, empty, and kept", async () => {
  assert.equal(await beginList("Ideen 💡 / לעתיד"), true);
  assert.deepEqual(fields(server.asked("SET_LIST")[0]), { list: "Ideen 💡 / לעתיד", symbols: [], keep: true });
  assert.deepEqual([list.value, lists.value, board(), isLoaded.value], ["Ideen 💡 / לעתיד", ["main", "tech", "Ideen 💡 / לעתיד"], [], true]);
  await beginList("tech");
  assert.deepEqual([list.value, server.asked("SET_LIST").length], ["tech", 1]);
});

test("one list too many is refused with the server's words, and the page stays where it is", async () => {
  server.answers.SET_LIST = refused("symbol_limit", "A user has at most 20 lists.");
  assert.equal(await beginList("more"), false);
  assert.deepEqual([list.value, lists.value, texts()], ["main", ["main", "tech"], ["A user has at most 20 lists."]]);
});

test("the list on the screen can be called otherwise, and a name that is taken is told", async () => {
  await showList("tech");
  assert.equal(await renameList("tech", "chips"), true);
  assert.deepEqual([list.value, lists.value, board()], ["chips", ["main", "chips"], ["NVDA"]]);
  server.answers.RENAME_LIST = refused("invalid_command", "There is a list 'main' already.");
  assert.equal(await renameList("chips", "main"), false);
  assert.deepEqual([list.value, texts()], ["chips", ["There is a list 'main' already."]]);
});

test("a list that is deleted can be brought back with its stocks and in its place", async () => {
  saved.set("cars", ["F"]);
  await load();
  await showList("tech");
  await removeList("tech");
  await settle();
  assert.deepEqual([list.value, lists.value, board()], ["cars", ["main", "cars"], ["F"]]);
  assert.deepEqual(texts(), ["List “tech” deleted, with 1 stock."]);
  await undo();
  assert.deepEqual([list.value, lists.value, board()], ["tech", ["main", "tech", "cars"], ["NVDA"]]);
  assert.deepEqual([...saved.keys()], ["main", "tech", "cars"]);
});

test("the main list stays, and why is told without asking", async () => {
  await removeList("main");
  assert.deepEqual([texts(), server.asked("REMOVE_LIST"), lists.value], [[MAIN_STAYS], [], ["main", "tech"]]);
});

test("a list that another client has deleted already goes from the tabs, too", async () => {
  server.answers.REMOVE_LIST = refused("unknown_list", "You have no list 'tech'.");
  await removeList("tech");
  assert.deepEqual(lists.value, ["main"]);
});

test("lists are moved, not beyond the ends, and where the server refuses they stand as before", async () => {
  await moveList("tech", -1);
  assert.deepEqual([lists.value, [...saved.keys()]], [["tech", "main"], ["tech", "main"]]);
  const asked = server.asked("ORDER_LISTS").length;
  await moveList("tech", -1);
  assert.equal(server.asked("ORDER_LISTS").length, asked);
  server.answers.ORDER_LISTS = refused("storage_error", "The database failed.");
  await orderLists(["main", "tech"]);
  assert.deepEqual([lists.value, texts()], [["tech", "main"], ["The database failed."]]);
});

test("a list that is emptied is kept", async () => {
  await showList("tech");
  await remove("NVDA");
  assert.deepEqual(fields(server.asked("SET_LIST")[0]), { list: "tech", symbols: ["NVDA"], change: "remove", keep: true });
  assert.deepEqual([lists.value, board()], [["main", "tech"], []]);
});

// --- the stocks of a list ---

test("a stock that is brought back goes to the list that it came from, whatever is shown then", async () => {
  await remove("MSFT");
  await showList("tech");
  await undo();
  assert.deepEqual([saved.get("main"), board()], [["AAPL", "MSFT", "TSLA"], ["NVDA"]]);
  assert.deepEqual(texts().at(-1), "MSFT is back on “My stocks”.");
});

test("two stocks come back to their places in either order", async () => {
  await remove("AAPL");
  await remove("MSFT");
  const [first, second] = notices.value;
  second.action.run();
  await settle();
  first.action.run();
  await settle();
  assert.deepEqual([board(), saved.get("main")], [["AAPL", "MSFT", "TSLA"], ["AAPL", "MSFT", "TSLA"]]);
});

test("a stock that is added while another list is opened is on the list that was meant", async () => {
  server.answers.SUBSCRIBE = ({ symbols }) => (symbols?.[0] === "SAP" ? undefined : { subscribed: symbols ?? [], already: [], pending: [], missing: [], symbols: [] });
  const adding = add(["SAP"]);
  await settle();
  const { id } = server.asked("SUBSCRIBE").at(-1);
  await showList("tech");
  await server.push({ type: "SUBSCRIBE", id, code: 200, subscribed: ["SAP"], already: [], pending: [], missing: [], symbols: ["SAP"] });
  assert.equal(await adding, true);
  assert.deepEqual([board(), texts()], [["NVDA"], ["SAP added to “My stocks”."]]);
  assert.deepEqual(fields(server.asked("UNSUBSCRIBE").at(-1)), { symbols: ["SAP"], save: false });
});

test("what is on the list already is said, and the keyboard stands on it", async () => {
  assert.equal(await add(["TSLA"]), true);
  assert.deepEqual([texts(), current.value, board()], [["TSLA is on this list already."], "TSLA", ["AAPL", "MSFT", "TSLA"]]);
});

test("the newest order is saved, and those on the way to it only as the connection allows", async () => {
  server.answers.SET_LIST = () => undefined;
  const first = putInOrder(["MSFT", "AAPL", "TSLA"]);
  await putInOrder(["MSFT", "TSLA", "AAPL"]);
  await putInOrder(["TSLA", "MSFT", "AAPL"]);
  assert.deepEqual([board(), server.asked("SET_LIST").length], [["TSLA", "MSFT", "AAPL"], 1]);
  server.answers.SET_LIST = { symbols: [], pending: [], missing: [] };
  await server.push({ type: "SET_LIST", id: server.asked("SET_LIST")[0].id, code: 200 });
  await first;
  assert.deepEqual(server.asked("SET_LIST").map(({ symbols, change }) => [symbols.join(), change]), [["MSFT,AAPL,TSLA", "order"], ["TSLA,MSFT,AAPL", "order"]]);
});

test("an order that cannot be saved is told, and the server's stands again", async () => {
  server.answers.SET_LIST = refused("storage_error", "The database failed.");
  await putInOrder(["TSLA", "AAPL", "MSFT"]);
  assert.deepEqual([board(), texts()], [["AAPL", "MSFT", "TSLA"], ["The order was not saved. The database failed."]]);
});

test("lists that are clicked one after the other lead to the last of them", async () => {
  saved.set("cars", ["F"]);
  await load();
  const first = showList("tech");
  const second = showList("cars");
  await Promise.all([first, second]);
  await settle();
  assert.deepEqual([list.value, board(), texts()], ["cars", ["F"], []]);
});

// --- what others change ---

test("the server is asked to tell what others change, before the list is read, with each connection", async () => {
  const types = server.commands.map(({ type }) => type);
  assert.deepEqual(fields(server.asked("LISTS")[0]), { follow: true });
  assert.ok(types.indexOf("LISTS") < types.indexOf("MY_STOCKS"));
  server.socket.drop();
  await advance(60_000);
  assert.deepEqual(server.asked("LISTS").map(({ follow }) => follow), [true, true]);
});

test("stocks that others add, take out and move are seen at once, without a new connection", async () => {
  const before = sockets.length;
  saved.set("main", ["TSLA", "SAP", "AAPL"]);
  chosen.value = "MSFT";
  await news("main");
  assert.deepEqual([board(), chosen.value, stocks.value.get("SAP").quote.price], [["TSLA", "SAP", "AAPL"], null, 100]);
  assert.deepEqual(fields(server.asked("UNSUBSCRIBE").at(-1)), { symbols: ["MSFT"], save: false });
  assert.deepEqual(fields(server.asked("SUBSCRIBE").at(-1)), { symbols: ["SAP"], interval: 0, save: false });
  assert.deepEqual([texts(), sockets.length], [[], before]);
});

test("of a list that is not shown only the tabs are read", async () => {
  const asked = server.asked("MY_STOCKS").length;
  saved.set("new", ["SAP"]);
  await news("new");
  assert.deepEqual([lists.value, server.asked("MY_STOCKS").length], [["main", "tech", "new"], asked]);
});

test("a list that is renamed elsewhere stays on the screen under its new name", async () => {
  await showList("tech");
  saved = new Map([["main", []], ["chips", ["NVDA"]]]);
  await news("tech", "chips");
  assert.deepEqual([list.value, lists.value, board(), texts()], ["chips", ["main", "chips"], ["NVDA"], []]);
});

test("a list that is deleted elsewhere gives way to its neighbour, and that is told", async () => {
  await showList("tech");
  saved.delete("tech");
  await news("tech");
  assert.deepEqual([list.value, lists.value, board(), texts()], ["main", ["main"], ["AAPL", "MSFT", "TSLA"], ["The list “tech” was deleted elsewhere."]]);
});

test("a list that was deleted while the connection was lost is told of with the next one", async () => {
  await showList("tech");
  saved.delete("tech");
  server.socket.drop();
  await advance(60_000);
  assert.deepEqual([list.value, lists.value, board()], ["main", ["main"], ["AAPL", "MSFT", "TSLA"]]);
  assert.equal(server.asked("MY_STOCKS").at(-1).list, undefined);
});

test("news that come while the last ones are read are read after them, together", async () => {
  server.answers.LISTS = () => undefined;
  await news("main");
  await news("tech");
  await news("main");
  assert.equal(server.asked("LISTS").length, 2);
  server.answers.LISTS = () => ({ lists: [{ list: "main", count: 0 }] });
  await server.push({ type: "LISTS", id: server.asked("LISTS").at(-1).id, code: 200, lists: [{ list: "main" }, { list: "tech" }] });
  assert.equal(server.asked("LISTS").length, 3);
});

test("news of a list of which no source knows a symbol any more are shown, and the page goes on", async () => {
  saved.set("main", ["GONE", "LOST"]);
  const missing = ["GONE", "LOST"].map((symbol) => ({ symbol, code: 404, reason: "unknown_symbol" }));
  server.answers.MY_STOCKS = { symbols: ["GONE", "LOST"], quotes: [], missing, lists: ["main", "tech"] };
  server.answers.SUBSCRIBE = { code: 404, reason: "unknown_symbol", message: "No source knows the symbol GONE.", retryable: false, missing };
  const before = sockets.length;
  await news("main");
  await advance(600_000);
  assert.deepEqual([board(), sockets.length - before], [["GONE", "LOST"], 0]);
  assert.deepEqual([...stocks.value.values()].map((stock) => stock.missing), ["unknown_symbol", "unknown_symbol"]);
});

// --- a list that cannot be read ---

test("a list that cannot be read now shows no other's stocks, says why, and is there as soon as it can be", async () => {
  const { MY_STOCKS } = server.answers;
  server.answers.MY_STOCKS = { code: 503, reason: "storage_error", message: "The database does not answer.", retryable: true };
  const showing = showList("tech");
  await settle();
  assert.deepEqual([list.value, board(), isLoaded.value, unread.value], ["tech", [], false, "The database does not answer."]);
  server.answers.MY_STOCKS = MY_STOCKS;
  await advance(1_000);
  await showing;
  assert.deepEqual([board(), isLoaded.value, unread.value], [["NVDA"], true, null]);
  assert.deepEqual(texts(), ["The database does not answer."]);
});

test("a server that asks to wait is asked no sooner, and a list that is left is not asked for", async () => {
  const { MY_STOCKS } = server.answers;
  server.answers.MY_STOCKS = { code: 429, reason: "rate_limited", message: "Too often.", retryable: true, retry_after_ms: 20_000 };
  showList("tech");
  await settle();
  const asked = server.asked("MY_STOCKS").length;
  await advance(19_000);
  assert.equal(server.asked("MY_STOCKS").length, asked);
  server.answers.MY_STOCKS = MY_STOCKS;
  await showList("main");
  await advance(60_000);
  assert.deepEqual(server.asked("MY_STOCKS").slice(asked).map(({ list: name }) => name), [undefined]);
  assert.deepEqual([board(), unread.value], [["AAPL", "MSFT", "TSLA"], null]);
});

test("a list that will not be read by waiting is read again when the person says so", async () => {
  const { MY_STOCKS } = server.answers;
  server.answers.MY_STOCKS = { code: 500, reason: "internal_error", message: "Something failed.", retryable: false };
  await showList("tech");
  await advance(60_000);
  assert.deepEqual([board(), unread.value], [[], "Something failed."]);
  server.answers.MY_STOCKS = MY_STOCKS;
  await readShown();
  assert.deepEqual([board(), unread.value], [["NVDA"], null]);
});

test("a stock that is added while another client's removal is read stays on the board", async () => {
  saved.set("main", ["AAPL", "MSFT"]);
  const { UNSUBSCRIBE } = server.answers;
  server.answers.UNSUBSCRIBE = () => undefined;
  news("main");
  await settle();
  const [{ id }] = server.asked("UNSUBSCRIBE").slice(-1);
  await add(["KO"]);
  await server.push({ type: "UNSUBSCRIBE", id, code: 200, removed: ["TSLA"], missing: [], symbols: [] });
  server.answers.UNSUBSCRIBE = UNSUBSCRIBE;
  await settle();
  assert.deepEqual(board(), ["AAPL", "MSFT", "KO"]);
});

test("whoever logs in next has no Undo of the person before", async () => {
  await remove("MSFT");
  assert.deepEqual(texts(), ["MSFT removed."]);
  logOut();
  assert.deepEqual(texts(), []);
});

test("a list that is chosen without a connection shows no other's stocks, and comes with the next connection", async () => {
  sockets.at(-1).drop();
  await settle();
  await showList("tech");
  assert.deepEqual([list.value, board(), unread.value], ["tech", [], "The connection to the server is lost."]);
  await advance(40_000);
  assert.deepEqual([board(), unread.value], [["NVDA"], null]);
});

test("of many symbols that no source knows some are named, and how many there are", async () => {
  const symbols = Array.from({ length: 400 }, (_, number) => `X${number}`);
  const missing = symbols.map((symbol) => ({ symbol, code: 404, reason: "unknown_symbol" }));
  server.answers.SUBSCRIBE = { subscribed: [], already: [], pending: [], missing, symbols: [] };
  await add(symbols);
  assert.deepEqual(texts(), ["X0, X1, X2, X3, X4, X5, X6, X7, X8, X9 and 390 more: no source knows this symbol."]);
});

test("a stock that is taken off twice before the answer is told once", async () => {
  await Promise.all([remove("MSFT"), remove("MSFT")]);
  assert.deepEqual([board(), texts()], [["AAPL", "TSLA"], ["MSFT removed."]]);
});

test("a stock goes to the list that was shown when the person added it", async () => {
  server.answers.SEARCH = () => undefined;
  const taking = take("KO");
  await settle();
  const [{ id }] = server.asked("SEARCH");
  await showList("tech");
  await server.push({ type: "SEARCH", id, code: 200, matches: [] });
  assert.equal(await taking, true);
  assert.deepEqual([saved.get("main").includes("KO"), saved.get("tech"), board(), texts()], [true, ["NVDA"], ["NVDA"], ["KO added to “My stocks”."]]);
});
