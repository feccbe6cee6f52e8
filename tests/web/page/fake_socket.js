// A WebSocket whose other end is the test, and a server that answers each command from a table.

import { settle } from "./clock.js";
import { replaceGlobal } from "./globals.js";

const CONNECTING = 0;
const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;

/** Every socket that was opened, the newest last. */
export const sockets = [];

export class FakeSocket extends EventTarget {
  static OPEN = OPEN;
  readyState = CONNECTING;
  /** The commands that were sent, in order. */
  commands = [];
  /** Called with each command. */
  onCommand = () => {};

  constructor(url) {
    super();
    this.url = String(url);
    sockets.push(this);
  }

  send(text) {
    const command = JSON.parse(text);
    this.commands.push(command);
    this.onCommand(command);
  }

  close() {
    this.readyState = CLOSING;
  }

  // --- what the server does ---

  /** Take the connection and say HELLO. */
  greet(fields = {}) {
    this.readyState = OPEN;
    this.say({ type: "HELLO", code: 100, auth: ["password", "token"], heartbeat_seconds: 30, ...fields });
  }

  /** Send messages, in one frame. */
  say(...messages) {
    this.sayText(messages.map((message) => JSON.stringify(message)).join("\n"));
  }

  sayText(data) {
    this.dispatchEvent(Object.assign(new Event("message"), { data }));
  }

  /** End the connection, or never make it. */
  drop() {
    this.readyState = CLOSED;
    this.dispatchEvent(new Event("close"));
  }
}

/**
 * A server that takes every connection and answers from `answers`: for each type of command the fields of its reply,
 * or a function of the command that returns them. What is undefined gets no answer.
 */
export class FakeServer {
  isUp = true;
  hello = {};
  /** All commands of all connections. */
  commands = [];
  answers = {
    AUTH: ({ username, token }) => ({ username: username ?? "ann", symbols: [], ...(token ? { token_id: "k7" } : {}) }),
    TOKEN: { token: "a token", token_id: "k1" },
    REVOKE: ({ token_id: id }) => ({ revoked: [id] }),
    PING: () => ({ timestamp: Date.now() }),
    MY_STOCKS: () => ({ symbols: this.saved, quotes: this.saved.map((symbol) => this.quote(symbol)), missing: [], lists: ["main"] }),
    SUBSCRIBE: ({ symbols, save }) => this.#subscribe(symbols, save),
    UNSUBSCRIBE: ({ symbols, save }) => {
      if (save !== false) this.saved = this.saved.filter((symbol) => !symbols.includes(symbol));
      return { removed: symbols, missing: [], symbols: this.saved };
    },
    LISTS: () => ({ lists: [{ list: "main", count: this.saved.length }] }),
    SET_LIST: ({ symbols, change }) => this.#setList(symbols, change),
    GET: ({ symbols }) => ({ quotes: symbols.map((symbol) => this.quote(symbol)), missing: [] }),
    LOGOUT: { code: 2000, message: "Goodbye." },
  };
  saved = [];
  unknown = new Set();
  prices = {};
  seq = 1;

  constructor() {
    replaceGlobal("WebSocket", this.#socketClass());
  }

  /** The connection that was made last. */
  get socket() {
    return sockets.at(-1);
  }

  /** The commands of a type. */
  asked(type) {
    return this.commands.filter((command) => command.type === type);
  }

  quote(symbol, fields = {}) {
    return { symbol, price: this.prices[symbol] ?? 100, currency: "USD", received_at: Date.now(), market_state: "open", stale: false, seq: this.seq, ...fields };
  }

  /** Push messages to the newest connection. */
  async push(...messages) {
    this.socket.say(...messages);
    await settle();
  }

  #subscribe(symbols = this.saved, save = true) {
    const missing = symbols.filter((symbol) => this.unknown.has(symbol)).map((symbol) => ({ symbol, code: 404, reason: "unknown_symbol" }));
    const known = symbols.filter((symbol) => !this.unknown.has(symbol));
    const already = known.filter((symbol) => this.saved.includes(symbol));
    if (save) this.saved = [...new Set([...this.saved, ...known])];
    return { subscribed: known.filter((symbol) => !already.includes(symbol)), already, pending: [], missing, symbols: this.saved };
  }

  /** Of the one list that this server has. */
  #setList(symbols, change = "replace") {
    const others = this.saved.filter((symbol) => !symbols.includes(symbol));
    if (change === "remove") this.saved = others;
    else if (change === "add") this.saved = [...new Set([...this.saved, ...symbols])];
    else if (change === "order") this.saved = [...symbols.filter((symbol) => this.saved.includes(symbol)), ...others];
    else this.saved = symbols;
    return { symbols: this.saved, pending: [], missing: [] };
  }

  #answer(socket, command) {
    this.commands.push(command);
    const answer = this.answers[command.type];
    const fields = typeof answer === "function" ? answer(command) : answer;
    if (fields) queueMicrotask(() => socket.say({ type: command.type, id: command.id, code: 200, ...fields }));
  }

  #socketClass() {
    const server = this;
    return class extends FakeSocket {
      constructor(url) {
        super(url);
        this.onCommand = (command) => server.#answer(this, command);
        queueMicrotask(() => (server.isUp ? this.greet(server.hello) : this.drop()));
      }
    };
  }
}
