// What the person is told: short notices that go by themselves, outages of the sources, and what a screen reader says.

import { notices, outages } from "./state.js";

/** Who takes what an alert tells (main.js); it knows more than this module. */
export const alertTaker = { take: (notice) => notify(notice.message) };

const NOTICE_MS = 6_000;
const NOTICES_AT_ONCE = 3;
let nextId = 1;

/** Show `text` for a while, or until somebody closes it where it `stays`. `kind` is "good", "bad" or "plain"; `action` is {label, run}. */
export function notify(text, { kind = "plain", action, stays = false } = {}) {
  const id = nextId++;
  const all = [...notices.value, { id, kind, text, action, stays }];
  if (all.length > NOTICES_AT_ONCE) {
    // What would go by itself gives way first.
    const place = all.slice(0, -1).findIndex((notice) => !notice.stays);
    all.splice(Math.max(0, place), 1);
  }
  notices.value = all;
  if (!stays) setTimeout(() => dismiss(id), NOTICE_MS);
  announce(text);
}

export function dismiss(id) {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}

// Prices are never announced, only what a person would say aloud, and no faster than somebody can listen.
const ANNOUNCEMENT_MS = 2_000;
let pending = [];
let timer = 0;

/** Have a screen reader say `text` when it is done with what it says. */
export function announce(text) {
  pending = [...pending.filter((other) => other !== text), text].slice(-3);
  if (!timer) timer = setTimeout(speak, 50);
}

function speak() {
  const region = document.getElementById("announcer");
  region.textContent = pending.join(" ");
  pending = [];
  timer = setTimeout(() => {
    timer = 0;
    if (pending.length) speak();
  }, ANNOUNCEMENT_MS);
}

/** Take a NOTICE of the server; `dropped` is called with the symbols that it takes off the board. */
export function takeNotice(notice, { dropped }) {
  const symbols = notice.symbols ?? [];
  switch (notice.reason) {
    case "provider_error":
    case "provider_timeout":
    case "provider_blocked": {
      const retryAt = notice.retry_after_ms ? Date.now() + notice.retry_after_ms : 0;
      outages.value = [...withoutSymbols(symbols), { reason: notice.reason, message: notice.message, symbols, retryAt }];
      announce(`${countOf(symbols)} stale. ${notice.message ?? ""}`);
      break;
    }
    case "provider_restored":
      outages.value = withoutSymbols(symbols);
      notify(`${notice.message ?? "The source answers again."} Prices are live.`, { kind: "good" });
      break;
    case "unknown_symbol":
      dropped(symbols);
      notify(`${symbols.join(", ")}: ${notice.message ?? "No source knows this."}`, { kind: "bad" });
      break;
    case "announcement":
      // It can be long, and who is away for a minute has to see it as well.
      notify(`The administrator says: ${notice.message}`, { stays: true });
      break;
    case "alert":
      alertTaker.take(notice);
      break;
    case "shutdown":
      break; // the connection ends next, and its own bar says so
    default:
      notify(notice.message ?? notice.reason ?? "The server sent a notice.", { kind: notice.code >= 400 ? "bad" : "plain" });
  }
}

function countOf(symbols) {
  return symbols.length === 1 ? `The price of ${symbols[0]} is` : `${symbols.length} prices are`;
}

function withoutSymbols(symbols) {
  const gone = new Set(symbols);
  return outages.value
    .map((outage) => ({ ...outage, symbols: outage.symbols.filter((symbol) => !gone.has(symbol)) }))
    .filter((outage) => outage.symbols.length > 0);
}
