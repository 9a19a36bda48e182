/** The value below which this share of the values lies; NaN when there are none. */
export function quantileOf(values: Iterable<number>, share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** The upper one of the two in the middle, when there are two. */
export function medianOf(values: readonly number[]): number {
  return quantileOf(values, 0.5);
}
