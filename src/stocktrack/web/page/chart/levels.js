// How far the scale of a chart reaches for levels beside its prices: the previous close, and the alerts.

// A level so many times the range of the prices away would press them into a flat line.
const MOST_STRETCH = 5;

/**
 * The range of a scale, {minValue, maxValue}, with those of `levels` on it that leave the prices room: the nearest first,
 * until one is too far away. A flat range takes none but those within a thousandth of the price.
 */
export function withLevels({ minValue, maxValue }, levels) {
  const most = (MOST_STRETCH + 1) * Math.max(maxValue - minValue, Math.abs(maxValue) / 1000);
  let [low, high] = [minValue, maxValue];
  const away = (level) => Math.max(minValue - level, level - maxValue, 0);
  for (const level of [...levels].sort((one, other) => away(one) - away(other))) {
    const [lower, higher] = [Math.min(low, level), Math.max(high, level)];
    if (higher - lower > most) break;
    [low, high] = [lower, higher];
  }
  return { minValue: low, maxValue: high };
}
