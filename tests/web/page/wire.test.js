import "./browser.js";
import assert from "node:assert/strict";
import { test } from "node:test";

import { advance, settle, timersUnderWay } from "./clock.js";
import { FakeSocket, sockets } from "./fake_socket.js";
import { replaceGlobal } from "./globals.js";
import { backOffMs, Disconnected, Failure, Wire } from "../../../src/stocktrack/web/page/session/wire.js";

replaceGlobal("WebSocket", FakeSocket);

async function openWire(hello = {}) {
  const opening = Wire.open("wss://quotes.example/ws");
  const socket = sockets.at(-1);
  socket.greet(hello);
  return { wire: await opening, socket };
}

test("a wire is open when the server has said HELLO", async () => {
  const { wire, socket } = await openWire({ instance: "b7c1" });
  assert.equal(socket.url, "wss://quotes.example/ws");
  assert.equal(wire.hello.instance, "b7c1");
});

test("a server that refuses the connection is told as one that does not answer", async () => {
  const opening = Wire.open("wss://quotes.example/ws");
  sockets.at(-1).drop();
  await assert.rejects(opening, (error) => error instanceof Disconnected && /does not answer/.test(error.message));
});

test("a server that takes the connection and stays silent is given up after ten seconds", async () => {
  const opening = Wire.open("wss://quotes.example/ws");
  const refused = assert.rejects(opening, Disconnected);
  await advance(9_999);
  assert.equal(sockets.at(-1).readyState, 0);
  await advance(1);
  await refused;
});

test("a server that is full says so before HELLO, and when to come back", async () => {
  const opening = Wire.open("wss://quotes.example/ws");
  sockets.at(-1).say({ type: "NOTICE", code: 429, reason: "session_limit", message: "There are too many sessions.", retry_after_ms: 5_000 });
  sockets.at(-1).drop();
  await assert.rejects(opening, { message: "There are too many sessions.", retryAfterMs: 5_000 });
});

test("each command gets its own reply, whatever the order and however many lines come in one frame", async () => {
  const { wire, socket } = await openWire();
  const one = wire.ask("GET", { symbols: ["AAPL"] });
  const other = wire.ask("PING");
  const [first, second] = socket.commands;
  assert.deepEqual([first.type, first.symbols, second.type], ["GET", ["AAPL"], "PING"]);
  assert.notEqual(first.id, second.id);
  socket.say({ type: "PING", id: second.id, code: 200, timestamp: 7 }, { type: "GET", id: first.id, code: 200, quotes: [] });
  assert.equal((await other).timestamp, 7);
  assert.deepEqual((await one).quotes, []);
});

test("a refused command is a Failure with what the server said", async () => {
  const { wire, socket } = await openWire();
  const asked = wire.ask("GET", { symbols: ["NOPE"] });
  socket.say({
    type: "GET", id: socket.commands[0].id, code: 404, reason: "unknown_symbol", message: "No source knows NOPE.", retryable: true, retry_after_ms: 9,
    missing: [{ symbol: "NOPE" }],
  });
  await assert.rejects(asked, (error) => {
    assert.ok(error instanceof Failure);
    const { message, code, reason, isRetryable, retryAfterMs, missing } = error;
    assert.deepEqual(
      { message, code, reason, isRetryable, retryAfterMs, missing },
      { message: "No source knows NOPE.", code: 404, reason: "unknown_symbol", isRetryable: true, retryAfterMs: 9, missing: [{ symbol: "NOPE" }] },
    );
    return true;
  });
});

test("a refusal without a message is told by its reason", () => {
  assert.equal(new Failure({ code: 500, reason: "storage_error" }).message, "storage_error");
  assert.equal(new Failure({ code: 500 }).message, "The command failed.");
});

test("a goodbye, code 2000, is a success", async () => {
  const { wire, socket } = await openWire();
  const asked = wire.ask("LOGOUT");
  socket.say({ type: "LOGOUT", id: socket.commands[0].id, code: 2000 });
  assert.equal((await asked).code, 2000);
});

test("prices and notices are pushed, and what the page does not know is skipped", async () => {
  const { wire, socket } = await openWire();
  const pushed = [];
  wire.onPush = (message) => pushed.push(message.type);
  socket.say({ type: "PRICE", symbol: "AAPL" }, { type: "HEARTBEAT" }, { type: "OF_TOMORROW", id: 99 }, { type: "NOTICE", reason: "announcement" });
  socket.sayText('{"type":"PRICE"}\n\n');
  assert.deepEqual(pushed, ["PRICE", "NOTICE", "PRICE"]);
});

test("when the connection is lost all open commands fail, with the server's last word, and no timer is left", async () => {
  const before = timersUnderWay();
  const { wire, socket } = await openWire();
  const asked = wire.ask("PING");
  socket.say({ type: "NOTICE", code: 501, reason: "shutdown", message: "The server stops.", retry_after_ms: 3_000 });
  socket.drop();
  await assert.rejects(asked, { message: "The server stops.", retryAfterMs: 3_000 });
  await wire.ended;
  assert.equal(wire.lastWord.reason, "shutdown");
  await advance(10_000); // until the patience with its HELLO has passed
  assert.ok(timersUnderWay() <= before);
});

test("a command on a lost connection fails at once", async () => {
  const { wire, socket } = await openWire();
  socket.drop();
  await assert.rejects(wire.ask("PING"), Disconnected);
  assert.deepEqual(socket.commands, []);
});

test("a server that is silent for two heartbeats is taken for gone, and a heartbeat keeps the connection", async () => {
  const { wire, socket } = await openWire({ heartbeat_seconds: 10 });
  let hasEnded = false;
  wire.ended.then(() => {
    hasEnded = true;
  });
  await advance(20_000);
  socket.say({ type: "HEARTBEAT" });
  await advance(25_000);
  assert.equal(hasEnded, false);
  await advance(5_000);
  assert.equal(hasEnded, true);
});

test("closing ends the wire at once, though the other side says no goodbye", async () => {
  const { wire, socket } = await openWire();
  wire.close();
  await settle();
  await wire.ended;
  assert.equal(socket.readyState, 2);
});

test("the back-off doubles up to half a minute and differs from client to client by up to half", () => {
  const waits = [0, 1, 2, 20, 2_000].map((attempt) => [backOffMs(attempt, () => 0), backOffMs(attempt, () => 1)]);
  assert.deepEqual(waits, [[250, 500], [500, 1_000], [1_000, 2_000], [15_000, 30_000], [15_000, 30_000]]);
});

test("what an alert told is not why the connection ended", async () => {
  const { wire, socket } = await openWire();
  socket.say({ type: "NOTICE", code: 100, reason: "alert", message: "AAPL rose above 200." });
  const asked = wire.ask("PING");
  socket.drop();
  await assert.rejects(asked, { message: "The connection to the server is lost." });
});
