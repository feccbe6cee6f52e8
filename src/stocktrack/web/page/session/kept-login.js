// The login that all tabs of a browser share: a token, kept where pages of this address alone can read it.

import { recall, remember } from "../base/keeping.js";

// Behind a proxy several servers may have one host, each under a path of its own.
const KEY = `stocktrack.token:${new URL(".", document.baseURI).pathname}`;

/** The token that is kept, or null. */
export function kept() {
  return recall(KEY);
}

/** Keep a token for all tabs; whether that could be done. */
export function keep(token) {
  remember(KEY, token);
  return kept() === token;
}

/** Forget a token, unless another one has taken its place by now. */
export function unkeep(token) {
  if (token !== undefined && kept() === token) remember(KEY, null);
}

/** Call `listen` with what is kept whenever another tab may have changed that. */
export function onChange(listen) {
  addEventListener("storage", ({ key }) => {
    if (key === KEY || key === null) listen(kept()); // null: all that was kept is gone
  });
  // A tab that the browser had put to sleep was told nothing.
  addEventListener("pageshow", () => listen(kept()));
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) listen(kept());
  });
}
