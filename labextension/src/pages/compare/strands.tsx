/** Runs as strands of parallel coordinates: an axis a parameter that differs, one a result. */
import * as React from 'react';
import { axisOf, Brush, IAxis } from '../../charts/axes';
import { IStrand, Parallel } from '../../charts/parallel';
import { useLepton } from '../../context';
import { number } from '../../format';
import type { IRunSummary } from '../../types';
import { isScore } from '../metrics';
import { Section } from '../parts';
import type { ILook } from './comparison';

export function Strands(props: {
  axes: IAxis[];
  runs: readonly IRunSummary[];
  differing: readonly string[];
  look: Map<string, ILook>;
  faint: (run: IRunSummary) => boolean;
  brushes: ReadonlyMap<string, Brush>;
  setBrushes: (brushes: ReadonlyMap<string, Brush>) => void;
  highlight: string | null;
  onHighlight: (id: string | null) => void;
}): JSX.Element {
  const { trans } = useLepton();
  return (
    <Section
      title={trans.__('Parameters and results')}
      note={trans.__('drag along an axis to filter, click it to clear')}
    >
      <Parallel
        axes={props.axes}
        strands={props.runs.map((run): IStrand => ({
          id: run.id,
          values: flat(run),
          colour: props.look.get(run.id)?.colour ?? 'currentColor',
          title: titleOf(run, props.differing),
          faint: props.faint(run)
        }))}
        brushes={props.brushes}
        onBrush={(key, brush) => {
          const next = new Map(props.brushes);
          if (brush) {
            next.set(key, brush);
          } else {
            next.delete(key);
          }
          props.setBrushes(next);
        }}
        highlight={props.highlight}
        onHighlight={props.onHighlight}
      />
    </Section>
  );
}

/** Parameters and metrics of a run by the key of their axis. */
export function flat(run: IRunSummary): Record<string, any> {
  return {
    ...Object.fromEntries(Object.entries(run.params).map(([k, v]) => [`p:${k}`, v])),
    ...Object.fromEntries(Object.entries(run.metrics).map(([k, v]) => [`m:${k}`, v]))
  };
}

export function axesOf(runs: readonly IRunSummary[], params: string[], metrics: string[]): IAxis[] {
  const shown = metrics.filter(isScore).slice(0, 4);
  return [
    ...params.map(name =>
      axisOf(
        `p:${name}`,
        name,
        runs.map(run => run.params[name] as any)
      )
    ),
    ...shown.map(name =>
      axisOf(
        `m:${name}`,
        name,
        runs.map(run => run.metrics[name])
      )
    )
  ];
}

function titleOf(run: IRunSummary, differing: readonly string[]): string {
  const params = differing
    .filter(name => name in run.params)
    .map(name => `${name}=${number(run.params[name])}`);
  return [run.id, ...params].join(' ');
}
