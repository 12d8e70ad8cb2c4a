/** The course of a series in a cell of a table. */
import type { ResourceHistory, Values } from '../../history';
import { buckets } from './ranges';

const SPARK = 60; // of a sparkline

/** The newest values of a series, with room on the left for what was before it began. */
export function spark(resources: ResourceHistory, name: string, minutes: number): Values {
  const span = minutes * 60;
  const cut = (resources.series.get(name) ?? []).slice(-span);
  const all: Values = [...new Array(Math.max(0, span - cut.length)).fill(null), ...cut];
  return buckets(
    all.map((_, i) => i),
    [all],
    SPARK
  )[1][0];
}
