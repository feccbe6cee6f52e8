// Which columns have room on a board of some width, and how wide each of them is. It knows no elements.

/**
 * `candidates` are {key, rank, least, most} in the order in which they stand, widths in px: what has the lowest rank gets
 * room first, and rank 0 is there whatever happens. What is left over goes to those that may be wider (`most`), the lowest
 * rank first, and then to all alike. Returns {keys, widths}.
 */
export function fitted(candidates, room) {
  const taken = new Set(candidates.filter(({ rank }) => rank === 0));
  let left = room - sum([...taken].map(({ least }) => least));
  const byRank = [...candidates].sort((one, other) => one.rank - other.rank);
  for (const candidate of byRank) {
    if (taken.has(candidate) || candidate.least > left) continue;
    taken.add(candidate);
    left -= candidate.least;
  }
  const columns = candidates.filter((candidate) => taken.has(candidate));
  const widths = new Map(columns.map(({ key, least }) => [key, least]));
  for (const candidate of byRank) {
    const { key, least, most = least } = candidate;
    if (!taken.has(candidate)) continue;
    const more = Math.max(0, Math.min(left, most - least));
    widths.set(key, least + more);
    left -= more;
  }
  const each = Math.max(0, left) / columns.length;
  for (const { key } of columns) widths.set(key, widths.get(key) + each);
  return { keys: columns.map(({ key }) => key), widths };
}

function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}
