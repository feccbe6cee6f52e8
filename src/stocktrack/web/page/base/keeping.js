// What the page keeps in this browser for the next time. Where the person has forbidden that, or there is no room left,
// it is as if nothing were kept, and the page works all the same.

/** The text that is kept under a key, or null. */
export function recall(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** Keep a text under a key, or nothing any more where it is null; `recall` tells whether that could be done. */
export function remember(key, text) {
  try {
    if (text === null) localStorage.removeItem(key);
    else localStorage.setItem(key, text);
  } catch {
    // It counts until the page goes.
  }
}
