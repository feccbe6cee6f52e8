// Tells the stylesheets how high an element is that others must make room for.

/**
 * Keep the height of the element of `selector` in the root's variable `name`, in pixels with its unit, 0px while there is
 * none; `margin` pixels come to it where it is not empty. The returned function ends it.
 */
export function followHeight(selector, name, margin = 0) {
  const element = document.querySelector(selector);
  const { style } = document.documentElement;
  if (!element) return () => {};
  const watcher = new ResizeObserver(() => {
    const height = element.offsetHeight;
    style.setProperty(name, `${height && height + margin}px`);
  });
  watcher.observe(element);
  // The height stays told: somebody else may follow it, too.
  return () => watcher.disconnect();
}
