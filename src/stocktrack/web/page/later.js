// Brings what only some people open: a module of the page and its look, once it is wanted.

const looks = new Map();

/** Have a stylesheet of `styles/` apply; resolves when it does. */
export function look(name) {
  if (!looks.has(name)) looks.set(name, link(name));
  return looks.get(name);
}

function link(name) {
  return new Promise((resolve, reject) => {
    const element = document.createElement("link");
    element.rel = "stylesheet";
    element.href = new URL(`styles/${name}.css`, import.meta.url).href;
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
