// Follows the pointer from a press on until it is let go, with mouse, pen or finger, and scrolls where it comes near an
// edge: it knows no rows and no tabs.

// So far a hand moves by itself while it clicks.
const THRESHOLD_PX = 5;
// This near to the edge of what scrolls it does so, by up to so many pixels a second, however many frames that has.
const EDGE_PX = 56;
const FASTEST_PX = 2_400;
const LONGEST_FRAME_SECONDS = 0.25;

/**
 * Follow the pointer of a `pointerdown`. Once it has moved `begin()` is called, which may return false to let go; then
 * `move({x, y, dx, dy})` with where it is and how far it came, and at the end `drop()`, or `giveUp()` where Escape was
 * pressed or the browser took the pointer away.
 */
export function followPointer(press, { begin, move, drop, giveUp }) {
  const listening = new AbortController();
  const { signal } = listening;
  const { pointerId } = press;
  const start = { x: press.clientX, y: press.clientY };
  let isMoving = false;
  const end = (how) => {
    listening.abort();
    if (!isMoving) return;
    // The click that ends a drag is none.
    addEventListener("click", stop, { capture: true, once: true });
    setTimeout(() => removeEventListener("click", stop, { capture: true }));
    how();
  };
  const isOther = (event) => event.pointerId !== pointerId;
  addEventListener("pointermove", (event) => {
    if (isOther(event)) return;
    const [dx, dy] = [event.clientX - start.x, event.clientY - start.y];
    if (!isMoving) {
      if (Math.hypot(dx, dy) < THRESHOLD_PX) return;
      if (begin() === false) {
        listening.abort();
        return;
      }
      isMoving = true;
    }
    event.preventDefault();
    move({ x: event.clientX, y: event.clientY, dx, dy });
  }, { signal });
  addEventListener("pointerup", (event) => isOther(event) || end(drop), { signal });
  addEventListener("pointercancel", (event) => isOther(event) || end(giveUp), { signal });
  addEventListener("blur", () => end(giveUp), { signal });
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !isMoving) return;
    event.preventDefault();
    event.stopPropagation();
    end(giveUp);
  }, { signal, capture: true });
}

/** How fast to scroll while the pointer is at `at` between two edges, in pixels a second: the nearer to one, the faster. */
export function scrollSpeed(at, { start, end }) {
  const before = start + EDGE_PX - at;
  const behind = at - (end - EDGE_PX);
  const depth = Math.min(1, Math.max(before, behind) / EDGE_PX);
  return depth <= 0 ? 0 : Math.sign(behind - before) * depth ** 2 * FASTEST_PX;
}

/**
 * Draws what is dragged, at most once a frame, and scrolls `scroller` on by itself while the pointer is near its edge:
 * `property` is scrollTop or scrollLeft, `speed()` pixels a second, and `draw()` is called after each step. `ask` has it
 * done with the next frame, `now` at once, and `end` ends it.
 */
export function drawWhileDragging({ scroller, property, speed, draw }) {
  let frame = 0;
  let drawnAt = performance.now();
  // The part of a pixel that is scrolled with a later frame: those of a fast screen are short.
  let owed = 0;
  const now = () => {
    const before = scroller[property];
    const seconds = Math.min((performance.now() - drawnAt) / 1_000, LONGEST_FRAME_SECONDS);
    drawnAt = performance.now();
    owed += speed() * seconds;
    const step = Math.trunc(owed);
    owed -= step;
    scroller[property] += step;
    draw();
    // It goes on as long as it scrolls.
    frame = speed() !== 0 && (step === 0 || scroller[property] !== before) ? requestAnimationFrame(now) : 0;
  };
  return {
    ask: () => {
      frame ||= requestAnimationFrame(now);
    },
    now,
    end: () => cancelAnimationFrame(frame),
  };
}

/** Marks what something would be dropped at: `over`, or null, and whether behind it. */
export function dropMark() {
  const mark = {
    over: null,
    isBehind: false,
    put: (over, isBehind) => {
      mark.over?.classList.remove("drop-before", "drop-behind");
      Object.assign(mark, { over, isBehind });
      over?.classList.add(isBehind ? "drop-behind" : "drop-before");
    },
  };
  return mark;
}

function stop(event) {
  event.preventDefault();
  event.stopPropagation();
}
