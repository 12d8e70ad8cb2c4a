/** What a comparison of runs says: which parameters differ, who is best, in which colours. */
import { curveColour, CURVES, scaleColour } from '../../charts/colours';
import type { IComparison, IHistory, IRunSummary } from '../../types';
import { best, better, leading } from '../metrics';
import { number } from '../../format';

export interface ICompared {
  differing: string[];
  /** Those of them whose values are numbers. */
  numeric: Set<string>;
  /** Parameters that all runs have alike. */
  equal: Array<[string, unknown]>;
  metrics: string[];
  best: Record<string, string | null>;
}

export function compared(runs: readonly IRunSummary[]): ICompared {
  const names = [...new Set(runs.flatMap(run => Object.keys(run.params)))];
  const texts = (name: string) => new Set(runs.map(run => number(run.params[name])));
  const differing = runs.length > 1 ? names.filter(name => texts(name).size > 1) : names;
  const equal = names
    .filter(name => !differing.includes(name))
    .map((name): [string, unknown] => [name, runs[0]?.params[name]]);
  const metrics = [...new Set(runs.flatMap(run => Object.keys(run.metrics)))];
  const isNumeric = (name: string) =>
    runs.every(run => ['number', 'undefined'].includes(typeof run.params[name]));
  return {
    differing,
    numeric: new Set(differing.filter(isNumeric)),
    equal,
    metrics,
    best: Object.fromEntries(
      metrics.map(metric => [
        metric,
        best(
          runs.map(run => [run.id, run.metrics[metric]] as const),
          metric
        )
      ])
    )
  };
}

/** Newer summaries in the place of older ones. */
export function refreshed(comparison: IComparison, newer: readonly IRunSummary[]): IComparison {
  const byId = new Map(newer.map(run => [run.id, run]));
  let changed = false;
  const runs = comparison.runs.map(run => {
    const other = byId.get(run.id);
    if (!other || other === run) {
      return run;
    }
    changed = true;
    return { ...run, ...other };
  });
  return changed ? { ...comparison, runs } : comparison;
}

export interface ILook {
  colour: string;
  dash?: number[];
}

/** A colour for each run: its own while there are few, by its place on `metric` when many. */
export function looks(runs: readonly IRunSummary[], metric: string | null): Map<string, ILook> {
  const out = new Map<string, ILook>();
  if (runs.length <= 2 * CURVES.length) {
    runs.forEach((run, i) =>
      out.set(run.id, {
        colour: curveColour(i),
        dash: i >= CURVES.length ? [6, 3] : undefined
      })
    );
    return out;
  }
  const sign = metric && better(metric) === 'min' ? -1 : 1;
  const value = (run: IRunSummary) => {
    const v = metric ? run.metrics[metric] : null;
    return typeof v === 'number' && Number.isFinite(v) ? sign * v : -Infinity;
  };
  [...runs]
    .sort((a, b) => value(a) - value(b))
    .forEach((run, i) => out.set(run.id, { colour: scaleColour(i / (runs.length - 1)) }));
  return out;
}

/** Steps, or seconds since the first of them, against a metric. */
export function courseOf(
  history: IHistory | undefined,
  metric: string,
  across: 'step' | 'seconds'
): [number[], number[]] {
  const x: number[] = [];
  const y: number[] = [];
  if (!history) {
    return [x, y];
  }
  const at = history.columns.indexOf(metric);
  const by = history.columns.indexOf(across === 'step' ? 'step' : 't');
  if (at < 0 || by < 0) {
    return [x, y];
  }
  const zero = across === 'seconds' ? (history.rows[0]?.[by] ?? 0) : 0;
  for (const row of history.rows) {
    const [a, b] = [row[by], row[at]];
    if (a !== null && b !== null && b !== undefined && !(x.length && a - zero <= x[x.length - 1])) {
      x.push(a - zero);
      y.push(b);
    }
  }
  return [x, y];
}

export function chosenMetric(metrics: readonly string[], wanted: string | null): string | null {
  return wanted && metrics.includes(wanted) ? wanted : leading(metrics);
}

/** "r1, s3 r4" → ["r1", "s3", "r4"]; what is no id is left out. */
export function parseIds(text: string): string[] {
  return [...new Set(text.split(/[\s,]+/).filter(id => /^[rs]\d+$/.test(id)))];
}
