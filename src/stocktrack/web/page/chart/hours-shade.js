// A primitive of lightweight-charts that shades the stretches of a chart before and after the regular hours.

/** Shades what `show` was told of, behind the prices. */
export class HoursShade {
  #stretches = [];
  #colour = "transparent";
  #chart = null;
  #update = () => {};
  #views = [{ zOrder: () => "bottom", renderer: () => ({ draw: (target) => this.#draw(target) }) }];

  attached({ chart, requestUpdate }) {
    this.#chart = chart;
    this.#update = requestUpdate;
  }

  detached() {
    this.#chart = null;
  }

  updateAllViews() {}

  paneViews() {
    return this.#views;
  }

  /** Shade the bars outside of the regular hours. */
  show(bars, colour) {
    this.#stretches = stretchesOf(bars);
    this.#colour = colour;
    this.#update();
  }

  #draw(target) {
    if (!this.#chart) return;
    const scale = this.#chart.timeScale();
    target.useBitmapCoordinateSpace(({ context, bitmapSize, horizontalPixelRatio }) => {
      context.fillStyle = this.#colour;
      for (const { from, to } of this.#stretches) {
        // It tells the places of whole bars only; the stretch goes to half way to the next one.
        const [left, right, next] = [from, to, to + 1].map((place) => scale.logicalToCoordinate(place));
        if (left === null) continue;
        const start = (left - (next - right) / 2) * horizontalPixelRatio;
        context.fillRect(start, 0, ((next - right) / 2 + right) * horizontalPixelRatio - start, bitmapSize.height);
      }
    });
  }
}

/** The places of the first and the last bar of each run outside of the regular hours. */
export function stretchesOf(bars) {
  const found = [];
  bars.forEach(({ market_state: state }, place) => {
    if (state !== "pre" && state !== "post") return;
    const last = found.at(-1);
    if (last?.to === place - 1) last.to = place;
    else found.push({ from: place, to: place });
  });
  return found;
}
