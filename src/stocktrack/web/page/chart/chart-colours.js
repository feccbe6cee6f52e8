// The part of a chart's looks that depends on the theme, for all charts of the panel.

import { colours } from "../base/theme.js";

/** Colours and letters of the axes and the grid, for `applyOptions`. */
export function frameColours() {
  const { muted, line } = colours.value;
  return {
    layout: { textColor: muted, fontFamily: getComputedStyle(document.body).fontFamily },
    grid: { horzLines: { color: line } },
  };
}
