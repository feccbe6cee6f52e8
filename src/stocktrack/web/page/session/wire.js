// One WebSocket's life: commands out, each with its one reply, and pushes in. It knows nothing but the protocol's lines.

const HELLO_TIMEOUT_MS = 10_000;
// The server says something at least every `heartbeat_seconds`; twice that of silence means that it is gone.
const SILENCE_CHECK_MS = 5_000;
export const LOST = "The connection to the server is lost.";

/** A command that failed, as the server told it. */
export class Failure extends Error {
  constructor(reply) {
    super(reply.message ?? reply.reason ?? "The command failed.");
    this.code = reply.code;
    this.reason = reply.reason;
    this.isRetryable = reply.retryable === true;
    this.retryAfterMs = reply.retry_after_ms ?? 0;
    this.missing = reply.missing ?? [];
  }
}

/** The connection ended, or never came to be. */
export class Disconnected extends Error {
  /** `lastWord` is the NOTICE that said why, where there was one. */
  constructor(message, lastWord = null) {
    super(lastWord?.message ?? message);
    this.retryAfterMs = lastWord?.retry_after_ms ?? 0;
  }
}

export class Wire {
  /** What the server said first. */
  hello = null;
  /** Called with each PRICE, NOTICE and SAID. */
  onPush = () => {};
  /** Resolves when the connection has ended. */
  ended;
  /** The NOTICE that announced the end, if there was one. */
  lastWord = null;

  #socket;
  #open = new Map();
  #nextId = 1;
  #heardAt = performance.now();
  #greeted;

  /** Connect, and wait for the server's HELLO. */
  static async open(url) {
    const wire = new Wire(url);
    const greeting = new Promise((resolve, reject) => {
      wire.#greeted = resolve;
      wire.ended.then(() => reject(new Disconnected("The server does not answer. Is it running?", wire.lastWord)));
      setTimeout(() => wire.hello ?? wire.close(), HELLO_TIMEOUT_MS);
    });
    await greeting;
    return wire;
  }

  constructor(url) {
    this.#socket = new WebSocket(url);
    this.#socket.addEventListener("message", (event) => this.#received(event.data));
    this.ended = new Promise((resolve) => {
      this.#socket.addEventListener("close", resolve);
    });
    const watch = setInterval(() => this.#checkSilence(), SILENCE_CHECK_MS);
    this.ended.then(() => {
      clearInterval(watch);
      for (const { reject } of this.#open.values()) reject(new Disconnected(LOST, this.lastWord));
      this.#open.clear();
    });
  }

  /** Send a command; its reply, or a Failure. */
  ask(type, fields = {}) {
    return new Promise((resolve, reject) => {
      if (this.#socket.readyState !== WebSocket.OPEN) {
        reject(new Disconnected(LOST));
        return;
      }
      const id = this.#nextId++;
      this.#open.set(id, { resolve, reject });
      this.#socket.send(JSON.stringify({ type, id, ...fields }));
    });
  }

  /** End it; `ended` follows at once, even where the server has fallen silent. */
  close() {
    this.#socket.close();
    // A browser would wait for the other side's goodbye, for up to a minute.
    this.#socket.dispatchEvent(new CloseEvent("close"));
  }

  #received(text) {
    this.#heardAt = performance.now();
    for (const line of text.split("\n")) {
      if (line) this.#line(JSON.parse(line));
    }
  }

  #line(message) {
    const asked = message.id === undefined ? undefined : this.#open.get(message.id);
    if (asked) {
      this.#open.delete(message.id);
      if (message.code === 200 || message.code === 2000) asked.resolve(message);
      else asked.reject(new Failure(message));
    } else if (message.type === "HELLO") {
      this.hello = message;
      this.#greeted?.(message);
    } else if (message.type === "PRICE" || message.type === "NOTICE" || message.type === "SAID") {
      // Only what went wrong can be why the connection ends; what an alert tells is not.
      if (message.type === "NOTICE" && message.code !== 100) this.lastWord = message;
      this.onPush(message);
    }
    // Anything else is a HEARTBEAT, which was heard above, or of a type that this page does not know.
  }

  #checkSilence() {
    const heartbeatMs = (this.hello?.heartbeat_seconds ?? 30) * 1000;
    if (performance.now() - this.#heardAt > 2 * heartbeatMs + SILENCE_CHECK_MS) this.close();
  }
}

/** How long to wait before try number `attempt` (from 0): doubling up to a cap, and never the same for all clients. */
export function backOffMs(attempt, random = Math.random) {
  const full = Math.min(30_000, 500 * 2 ** Math.min(attempt, 10));
  return full * (0.5 + random() / 2);
}
