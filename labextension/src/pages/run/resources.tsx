/** What one run used over its life: processor, memory, memory of the GPU. */
import * as React from 'react';
import { thin } from '../../charts/thin';
import { ICurve, Plot } from '../../charts/plot';
import { useLepton } from '../../context';
import type { IRun } from '../../types';
import { Empty, Section } from '../parts';
import { useResources } from '../resources/feed';
import { bytes, tick } from '../../format';

const POINTS = 300;

export function RunResources(props: { run: IRun }): JSX.Element | null {
  const { trans } = useLepton();
  const { run } = props;
  const resources = useResources(run.state === 'running' ? 1000 : 5000);
  if (!run.started) {
    return null;
  }
  const kinds: Array<[string, string, string, (v: number) => string]> = [
    ['cpu', trans.__('CPU'), '#2b87d1', v => `${tick(v)} %`],
    ['memory', trans.__('Memory'), '#2e9e5b', bytes],
    ['gpu_memory', trans.__('GPU memory'), '#b455b6', bytes]
  ];
  const charts = kinds
    .map(([kind, label, colour, format]) => {
      const values = resources.series.get(`run.${run.id}.${kind}`);
      const cut = values && ofLife(resources.times, values);
      return cut && { kind, label, colour, format, x: cut[0], y: cut[1] };
    })
    .filter(Boolean) as Array<{
    kind: string;
    label: string;
    colour: string;
    format: (v: number) => string;
    x: number[];
    y: Array<number | null>;
  }>;
  const long = (run.ended ?? Infinity) - run.started > 3;
  if (!charts.length) {
    return long ? (
      <Section title={trans.__('Resources')}>
        <Empty>
          {run.ended && run.ended < Date.now() / 1000 - 3600
            ? trans.__('They are kept for an hour; this run ended earlier.')
            : run.ended
              ? trans.__('None were measured while it ran: no Jupyter server looked.')
              : trans.__('Measured once a second, as soon as it works.')}
        </Empty>
      </Section>
    ) : null;
  }
  return (
    <Section title={trans.__('Resources')}>
      {charts.map(({ kind, label, colour, format, x, y }) => (
        <Small key={kind} label={label} colour={colour} format={format} x={x} y={y} />
      ))}
    </Section>
  );
}

function Small(props: {
  label: string;
  colour: string;
  format: (v: number) => string;
  x: number[];
  y: Array<number | null>;
}): JSX.Element {
  const { trans } = useLepton();
  const [index, setIndex] = React.useState<number | null>(null);
  const [x, y] = React.useMemo(() => thin(props.x, props.y, POINTS), [props.x.length, props.y]);
  const known = y.filter((v): v is number => v !== null);
  const peak = known.length ? Math.max(...known) : null;
  const value = index === null ? peak : y[index];
  const curves: ICurve[] = React.useMemo(
    () => [{ key: props.label, label: props.label, colour: props.colour, fill: true, y }],
    [y]
  );
  return (
    <figure className="lp-Chart">
      <figcaption>
        <h3>{props.label}</h3>
        <span className="lp-Dim">
          {index === null ? trans.__('peak') : new Date(x[index] * 1000).toLocaleTimeString()}{' '}
          <b>{typeof value === 'number' ? props.format(value) : '–'}</b>
        </span>
      </figcaption>
      <Plot
        label={trans.__('%1 of the run over its life', props.label)}
        x={x}
        curves={curves}
        height={96}
        time
        yRange={[0, null]}
        format={props.format}
        sync="lepton-run-resources"
        onCursor={setIndex}
        resetLabel={trans.__('Reset zoom')}
      />
    </figure>
  );
}

/** The stretch in which there are values. */
function ofLife(
  times: readonly number[],
  values: ReadonlyArray<number | null>
): [number[], Array<number | null>] | null {
  const first = values.findIndex(v => v !== null && v !== undefined);
  if (first < 0) {
    return null;
  }
  let last = values.length - 1;
  while (values[last] === null || values[last] === undefined) {
    last--;
  }
  return [times.slice(first, last + 1), values.slice(first, last + 1)];
}
