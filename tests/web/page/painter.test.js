import { fakeDocument, FakeElement } from "./browser.js";
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { advance, framesAsked, showFrame } from "./clock.js";
import { addView, everySecond, flash, repaint } from "../../../src/stocktrack/web/page/base/painter.js";

function aView({ isSeen = true } = {}) {
  return {
    isSeen,
    paints: 0,
    ticks: 0,
    paint() {
      this.paints += 1;
    },
    tick() {
      this.ticks += 1;
    },
  };
}

beforeEach(async () => {
  fakeDocument.hidden = false;
  showFrame();
  await advance(1_000);
});

test("however many prices come between two frames, a view is painted once", () => {
  const view = aView();
  for (let price = 0; price < 100; price += 1) repaint(view);
  assert.deepEqual([view.paints, framesAsked()], [0, 1]);
  showFrame();
  assert.equal(view.paints, 1);
  assert.equal(framesAsked(), 0);
});

test("a view out of sight asks for no frame and is painted within a second", async () => {
  const view = aView({ isSeen: false });
  repaint(view);
  assert.equal(framesAsked(), 0);
  await advance(1_000);
  assert.equal(view.paints, 1);
});

test("a frame for one view leaves another that is out of sight waiting", async () => {
  const [seen, unseen] = [aView(), aView({ isSeen: false })];
  repaint(unseen);
  repaint(seen);
  showFrame();
  assert.deepEqual([seen.paints, unseen.paints], [1, 0]);
  await advance(1_000);
  assert.deepEqual([seen.paints, unseen.paints], [1, 1]);
});

test("a view ticks every second while it is seen, and not after its end", async () => {
  const view = aView();
  const remove = addView(view);
  await advance(3_000);
  assert.equal(view.ticks, 3);
  view.isSeen = false;
  await advance(2_000);
  assert.equal(view.ticks, 3);
  view.isSeen = true;
  remove();
  await advance(2_000);
  assert.equal(view.ticks, 3);
});

test("a view that has gone is not painted any more", () => {
  const view = aView();
  const remove = addView(view);
  repaint(view);
  remove();
  showFrame();
  assert.equal(view.paints, 0);
});

test("a page that nobody looks at does nothing until somebody does", async () => {
  let seconds = 0;
  const stop = everySecond(() => {
    seconds += 1;
  });
  const view = aView({ isSeen: false });
  fakeDocument.hidden = true;
  repaint(view);
  await advance(60_000);
  assert.deepEqual([seconds, view.paints], [0, 0]);
  fakeDocument.hidden = false;
  await advance(1_000);
  assert.deepEqual([seconds, view.paints], [1, 1]);
  stop();
  await advance(1_000);
  assert.equal(seconds, 1);
});

test("a flash is green for up and red for down, and goes out by itself", async () => {
  const cell = new FakeElement();
  flash(cell, 1);
  assert.equal(String(cell.classList), "flash-up");
  flash(cell, -1);
  assert.equal(String(cell.classList), "flash-down");
  await advance(500);
  assert.equal(String(cell.classList), "");
});

test("a price that changes again while it is lit stays lit", async () => {
  const cell = new FakeElement();
  flash(cell, 1);
  await advance(200);
  flash(cell, 1);
  await advance(200);
  assert.equal(String(cell.classList), "flash-up");
  await advance(500);
  assert.equal(String(cell.classList), "");
});

test("with many changes in a frame the page is marked busy, and with few it is not any more", () => {
  const views = Array.from({ length: 25 }, () => aView());
  for (const view of views) repaint(view);
  showFrame();
  assert.equal(fakeDocument.documentElement.classList.contains("busy"), true);
  for (const view of views.slice(0, 24)) repaint(view);
  showFrame();
  assert.equal(fakeDocument.documentElement.classList.contains("busy"), false);
});
