// Where a price is between the lowest and the highest of its day and of its year. It knows no elements.

/** {low, high, place} of the day, `place` from 0 to 1; undefined where that is not known. */
export function dayRange({ quote, details }) {
  return range(details?.low, details?.high, quote?.price);
}

/** The same of the last 52 weeks. */
export function yearRange({ quote, details }) {
  return range(details?.fifty_two_week_low, details?.fifty_two_week_high, quote?.price);
}

function range(lowest, highest, price) {
  if (lowest === undefined || highest === undefined || price === undefined) return undefined;
  // The whole quote is up to a minute old; the price may have left its range since.
  const low = Math.min(lowest, price);
  const high = Math.max(highest, price);
  return { low, high, place: high > low ? (price - low) / (high - low) : 0.5 };
}
