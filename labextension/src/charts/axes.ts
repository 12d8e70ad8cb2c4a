/** Axes of parallel coordinates: where values lie on them, and which rows brushes let through. */
import { number } from '../format';

export type Value = number | string | boolean | null | undefined;

export interface IAxis {
  key: string;
  label: string;
  kind: 'linear' | 'log' | 'names';
  /** Ends of a numeric axis. */
  low: number;
  high: number;
  /** Places of a named axis, from bottom to top. */
  names: string[];
  /** The values themselves, where they are few: as a sweep's are. */
  few: number[] | null;
}

const FEW = 8;

/** From bottom (0) to top (1). */
export type Brush = readonly [number, number];

/** An axis that suits the values: names for text, logarithmic for what spans magnitudes. */
export function axisOf(key: string, label: string, values: readonly Value[]): IAxis {
  const known = values.filter(v => v !== null && v !== undefined);
  const numbers = known.filter((v): v is number => typeof v === 'number' && Number.isFinite(v));
  if (numbers.length < known.filter(v => typeof v !== 'number' || !Number.isNaN(v)).length) {
    const names = [...new Set(known.map(v => number(v)))].sort((a, b) =>
      a.localeCompare(b, undefined, { numeric: true })
    );
    return { key, label, kind: 'names', low: 0, high: 1, names, few: null };
  }
  const [low, high] = numbers.length ? [Math.min(...numbers), Math.max(...numbers)] : [0, 1];
  const kind = low > 0 && high / low >= 30 ? 'log' : 'linear';
  const distinct = [...new Set(numbers)].sort((a, b) => a - b);
  const chosen = distinct.length < numbers.length || distinct.every(Number.isInteger);
  const few = distinct.length <= FEW && chosen ? distinct : null;
  return { key, label, kind, low, high, names: [], few };
}

/** Where a value lies on its axis, from 0 to 1; null for none. */
export function place(axis: IAxis, value: Value): number | null {
  if (value === null || value === undefined) {
    return null;
  }
  if (axis.kind === 'names') {
    const at = axis.names.indexOf(number(value));
    return at < 0 ? null : axis.names.length < 2 ? 0.5 : at / (axis.names.length - 1);
  }
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    return null;
  }
  if (axis.high === axis.low) {
    return 0.5;
  }
  return axis.kind === 'log'
    ? Math.log(value / axis.low) / Math.log(axis.high / axis.low)
    : (value - axis.low) / (axis.high - axis.low);
}

/** The value at a place of a numeric axis. */
export function valueAt(axis: IAxis, at: number): number {
  return axis.kind === 'log'
    ? axis.low * Math.pow(axis.high / axis.low, at)
    : axis.low + at * (axis.high - axis.low);
}

export function ticks(axis: IAxis): Array<{ at: number; text: string }> {
  if (axis.kind === 'names') {
    const step = Math.ceil(axis.names.length / 10);
    return axis.names
      .map((text, i) => ({ at: place(axis, text) ?? 0, text, i }))
      .filter(({ i }) => i % step === 0);
  }
  if (axis.low === axis.high) {
    return [{ at: 0.5, text: number(axis.low) }];
  }
  if (axis.few) {
    return apart(axis.few.map(v => ({ at: place(axis, v) ?? 0, text: number(v) })));
  }
  return [0, 0.25, 0.5, 0.75, 1].map(at => ({
    at,
    text: number(Number(valueAt(axis, at).toPrecision(3)))
  }));
}

/** Those that do not lie on top of the one before. */
function apart(all: Array<{ at: number; text: string }>): Array<{ at: number; text: string }> {
  return all.filter((one, i) => i === 0 || i === all.length - 1 || one.at - all[i - 1].at > 0.06);
}

/** Whether a row is within all brushes; a row without a value on a brushed axis is not. */
export function passes(
  values: Readonly<Record<string, Value>>,
  axes: readonly IAxis[],
  brushes: ReadonlyMap<string, Brush>
): boolean {
  for (const axis of axes) {
    const brush = brushes.get(axis.key);
    if (!brush) {
      continue;
    }
    const at = place(axis, values[axis.key]);
    if (at === null || at < brush[0] - 1e-9 || at > brush[1] + 1e-9) {
      return false;
    }
  }
  return true;
}

/** A brush moved or grown by a key, as a slider is; null: no brush. */
export function nudged(brush: Brush | undefined, key: string, shift: boolean): Brush | null {
  const step = 0.1;
  const clip = (v: number) => Math.min(1, Math.max(0, Number(v.toFixed(3))));
  const [low, high] = brush ?? [0, 1];
  switch (key) {
    case 'ArrowUp':
      return shift ? [low, clip(high + step)] : [clip(Math.min(low + step, high)), high];
    case 'ArrowDown':
      return shift ? [clip(low - step), high] : [low, clip(Math.max(high - step, low))];
    default:
      return null;
  }
}
