// Brings the look of what only some people open, once it is wanted; and has what can wait do so.

const looks = new Map();
const LONGEST_WAIT_MS = 300;

/** Resolves when the browser has drawn what there is to draw, and a third of a second from now at the latest. */
export function whenIdle() {
  return new Promise((resolve) => {
    if (globalThis.requestIdleCallback) requestIdleCallback(() => resolve(), { timeout: LONGEST_WAIT_MS });
    else setTimeout(resolve);
  });
}

/** Have a stylesheet of `styles/` apply; resolves when it does. */
export function look(name) {
  if (!looks.has(name)) looks.set(name, link(name));
  return looks.get(name);
}

function link(name) {
  return new Promise((resolve, reject) => {
    const element = document.createElement("link");
    element.rel = "stylesheet";
    element.href = new URL(`../styles/${name}.css`, import.meta.url).href;
    element.addEventListener("load", () => resolve());
    element.addEventListener("error", () => {
      // With the next try it is asked for again.
      element.remove();
      looks.delete(name);
      reject(new Error(`The look of this part (${name}) could not be loaded.`));
    });
    document.head.append(element);
  });
}
