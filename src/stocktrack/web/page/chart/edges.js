// Which labels of a chart's time axis an edge would cut.

/**
 * Whether a label over the bar at `place` would be cut: `range` is what is in sight, {from, to} in places of bars, `width`
 * that of the plot and `half` that of half a label in pixels.
 */
export function isCutAt(place, { from, to }, width, half) {
  const left = ((place - from) / (to - from)) * width;
  return left < half || left > width - half;
}

/** The place of a time among the first `length` of ascending `times`; -1 where it is none of them. */
export function placeIn(times, length, time) {
  let [low, high] = [0, length - 1];
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (times[middle] === time) return middle;
    if (times[middle] < time) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}
