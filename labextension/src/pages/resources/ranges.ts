/** Which part of the last hour is shown, and thinned so that it can be drawn. */
import type { Values } from '../../history';

export const RANGES = [1, 5, 15, 60]; // minutes

/** The part of a history that a range shows. */
export interface IWindow {
  from: number;
  to: number;
  begin: number;
  times: number[];
}

export function windowOf(times: readonly number[], minutes: number): IWindow {
  const to = times.length ? times[times.length - 1] : Date.now() / 1000;
  const from = to - minutes * 60;
  let begin = times.findIndex(t => t >= from);
  if (begin < 0) {
    begin = times.length;
  }
  return { from, to, begin, times: times.slice(begin) };
}

/** Columns that share their x, thinned together: the highest value of each stretch is kept. */
export function buckets(
  times: readonly number[],
  columns: readonly Values[],
  most: number
): [number[], Values[]] {
  const n = times.length;
  const x: number[] = [];
  const ys: Values[] = columns.map(() => []);
  for (let k = 0; k < most; k++) {
    const [from, to] = [Math.floor((k * n) / most), Math.floor(((k + 1) * n) / most)];
    x.push(times[to - 1]);
    columns.forEach((column, c) => {
      let high: number | null = null;
      for (let i = from; i < to; i++) {
        const v = column[i];
        if (typeof v === 'number' && (high === null || v > high)) {
          high = v;
        }
      }
      ys[c].push(high);
    });
  }
  return [x, ys];
}
