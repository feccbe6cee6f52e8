// Follows the pointer from a press on until it is let go, with mouse, pen or finger: it knows no rows and no tabs.

// So far a hand moves by itself while it clicks.
const THRESHOLD_PX = 5;

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

function stop(event) {
  event.preventDefault();
  event.stopPropagation();
}
