/** Fewer points that look the same: of each stretch of x, its lowest and its highest y are kept. */
export function thin(
  x: ArrayLike<number>,
  y: ArrayLike<number | null>,
  most: number
): [number[], Array<number | null>] {
  const n = x.length;
  if (n <= most) {
    return [Array.from(x), Array.from(y)];
  }
  const kept: number[] = [0];
  const stretches = Math.max(1, Math.floor((most - 2) / 2));
  for (let k = 0; k < stretches; k++) {
    const from = 1 + Math.floor((k * (n - 2)) / stretches);
    const to = 1 + Math.floor(((k + 1) * (n - 2)) / stretches);
    let low = -1;
    let high = -1;
    for (let i = from; i < to; i++) {
      const v = y[i];
      if (v === null || v === undefined || Number.isNaN(v)) {
        continue;
      }
      if (low < 0 || v < (y[low] as number)) {
        low = i;
      }
      if (high < 0 || v > (y[high] as number)) {
        high = i;
      }
    }
    if (low < 0) {
      kept.push(from); // a gap stays a gap
    } else if (low === high) {
      kept.push(low);
    } else {
      kept.push(Math.min(low, high), Math.max(low, high));
    }
  }
  kept.push(n - 1);
  return [kept.map(i => x[i]), kept.map(i => y[i] ?? null)];
}

/** Every so-many-th row, first and last among them, for columns that share their x. */
export function stride(n: number, most: number): number[] {
  if (n <= most) {
    return Array.from({ length: n }, (_, i) => i);
  }
  return Array.from({ length: most }, (_, i) => Math.round((i * (n - 1)) / (most - 1)));
}
