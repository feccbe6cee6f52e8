// Puts prices on the screen: at most once a frame, only what changed, only where somebody can see it.
//
// A view is {isSeen, paint(), tick()}: `paint` writes the newest price, `tick` what changes with time alone. Views
// write to the text nodes and classes of fixed-size cells and never measure anything, so that no write makes the
// browser lay out the page early.

const waiting = new Set();
const views = new Set();
const lit = new Set();
let isFrameAsked = false;
let lightsOut = 0;

// How long a flash stays lit before it fades; a symbol that changes again meanwhile stays lit.
const FLASH_MS = 220;
// With more changes a frame than this, fading would be all that the browser does: lights then go on and off at once.
const MANY_CHANGES = 24;
const SECOND_MS = 1_000;

/** Have `view` painted in the next frame; a view out of sight is painted within a second. */
export function repaint(view) {
  waiting.add(view);
  if (!isFrameAsked && view.isSeen) {
    isFrameAsked = true;
    requestAnimationFrame(frame);
  }
}

/** Have `view` ticked every second while it is seen; the returned function ends it. */
export function addView(view) {
  views.add(view);
  return () => {
    views.delete(view);
    waiting.delete(view);
  };
}

/** Light `element` green (1) or red (-1) for a moment. */
export function flash(element, direction) {
  const name = direction > 0 ? "flash-up" : "flash-down";
  const other = direction > 0 ? "flash-down" : "flash-up";
  element.flashUntil = performance.now() + FLASH_MS;
  if (!element.classList.contains(name)) {
    element.classList.remove(other);
    element.classList.add(name);
  }
  lit.add(element);
  if (!lightsOut) lightsOut = setTimeout(putLightsOut, FLASH_MS);
}

/** Call `action` every second while the page is looked at; the returned function ends it. */
export function everySecond(action) {
  return addView({ isSeen: true, paint() {}, tick: action });
}

/** Call `action` every so many seconds in which the page is looked at; the returned function ends it. */
export function everySeconds(seconds, action) {
  let passed = 0;
  return everySecond(() => {
    passed += 1;
    if (passed % seconds === 0) action();
  });
}

function frame() {
  isFrameAsked = false;
  let painted = 0;
  for (const view of waiting) {
    if (!view.isSeen) continue;
    waiting.delete(view);
    view.paint();
    painted += 1;
  }
  const isBusy = painted > MANY_CHANGES;
  if (isBusy !== frame.isBusy) {
    frame.isBusy = isBusy;
    document.documentElement.classList.toggle("busy", isBusy);
  }
}

function putLightsOut() {
  lightsOut = 0;
  const now = performance.now();
  for (const element of lit) {
    if (element.flashUntil > now) continue;
    element.classList.remove("flash-up", "flash-down");
    lit.delete(element);
  }
  if (lit.size) lightsOut = setTimeout(putLightsOut, FLASH_MS / 2);
}

setInterval(() => {
  if (document.hidden) return;
  // Those out of sight, so that a search in the page or a screen reader finds no price older than a second.
  for (const view of waiting) view.paint();
  waiting.clear();
  for (const view of views) if (view.isSeen) view.tick();
}, SECOND_MS);
