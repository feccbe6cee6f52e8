// Time that stands still until a test moves it: timers, intervals, frames, Date.now and performance.now.

import { replaceGlobal } from "./globals.js";

/** Milliseconds since the epoch at which every test begins. */
export const START_MS = 1_712_331_900_000;

const timers = new Map();
let frames = [];
let now = START_MS;
let nextId = 1;

/** Let promises that can be settled be settled, with all that follows from them. */
export function settle() {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Move the time on by `ms`, and run what falls due on the way, each with what follows from it. */
export async function advance(ms) {
  const end = now + ms;
  await settle();
  for (;;) {
    const due = [...timers.values()].filter((timer) => timer.at <= end).sort((one, other) => one.at - other.at || one.id - other.id)[0];
    if (!due) break;
    now = due.at;
    if (due.everyMs === undefined) timers.delete(due.id);
    else due.at += Math.max(1, due.everyMs);
    due.action();
    await settle();
  }
  now = end;
}

/** Let the screen show a frame. */
export function showFrame() {
  const asked = frames;
  frames = [];
  for (const action of asked) action(now - START_MS);
}

/** How many frames were asked for and not shown yet. */
export function framesAsked() {
  return frames.length;
}

/** How many timers and intervals are under way. */
export function timersUnderWay() {
  return timers.size;
}

function start(action, ms, everyMs) {
  const id = nextId;
  nextId += 1;
  timers.set(id, { id, action, at: now + Math.max(0, ms), everyMs });
  return id;
}

replaceGlobal("setTimeout", (action, ms = 0) => start(action, ms, undefined));
replaceGlobal("setInterval", (action, ms = 0) => start(action, ms, ms));
replaceGlobal("clearTimeout", (id) => timers.delete(id));
replaceGlobal("clearInterval", (id) => timers.delete(id));
replaceGlobal("requestAnimationFrame", (action) => frames.push(action));
Date.now = () => now;
// Replaced as a whole: in node 18 its `now` can only be read.
replaceGlobal("performance", { now: () => now - START_MS });
