import assert from "node:assert/strict";
import { test } from "node:test";

import { HoursShade, stretchesOf } from "../../../src/stocktrack/web/page/chart/hours-shade.js";

const bars = (states) => [...states].map((letter) => ({ market_state: { e: "pre", l: "post" }[letter] }));

test("each run of early or late bars is one stretch", () => {
  assert.deepEqual(stretchesOf(bars("ee...ll")), [{ from: 0, to: 1 }, { from: 5, to: 6 }]);
  assert.deepEqual(stretchesOf(bars("...")), []);
  assert.deepEqual(stretchesOf(bars("l.e")), [{ from: 0, to: 0 }, { from: 2, to: 2 }]);
});

test("a stretch is shaded from the middle between two bars to the next, over the whole height, in the screen's pixels", () => {
  const shade = new HoursShade();
  let updates = 0;
  shade.attached({ chart: { timeScale: () => ({ logicalToCoordinate: (place) => (Number.isInteger(place) ? 10 * place + 5 : 0) }) }, requestUpdate: () => { updates += 1; } });
  shade.show(bars("ee."), "grey");
  const filled = [];
  const context = { fillRect: (...box) => filled.push([context.fillStyle, ...box]) };
  const [view] = shade.paneViews();
  view.renderer().draw({ useBitmapCoordinateSpace: (draw) => draw({ context, bitmapSize: { height: 400 }, horizontalPixelRatio: 2 }) });
  assert.deepEqual([view.zOrder(), updates, filled], ["bottom", 1, [["grey", 0, 0, 40, 400]]]);
});
