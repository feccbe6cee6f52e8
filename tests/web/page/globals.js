// How a stand-in takes the place of what a browser, or node, has under that name.

export function replaceGlobal(name, value) {
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
}
