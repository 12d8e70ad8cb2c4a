/** The courses of metrics of several runs, one over the other. */
import * as React from 'react';
import uPlot from 'uplot';
import { ICurve, Plot } from '../../charts/plot';
import { thin } from '../../charts/thin';
import { useLepton } from '../../context';
import { number, tick } from '../../format';
import type { IComparison, IRunSummary } from '../../types';
import { better, families, isScore } from '../metrics';
import { Empty, Section } from '../parts';
import { chosenMetric, courseOf, ILook } from './comparison';
import { Swatch } from './swatch';

const POINTS = 20_000; // of all curves together

export function Courses(props: {
  comparison: IComparison;
  runs: readonly IRunSummary[];
  metrics: string[];
  look: Map<string, ILook>;
  kept: ReadonlySet<string>;
  highlight: string | null;
  onHighlight: (id: string | null) => void;
}): JSX.Element | null {
  const { trans } = useLepton();
  const [log, setLog] = React.useState(false);
  const [across, setAcross] = React.useState<'step' | 'seconds'>('step');
  const [wanted, setWanted] = React.useState<Array<string | null>>([null, null]);
  if (!props.metrics.length) {
    return null;
  }
  const ranked = families(props.metrics).flatMap(names => [...names].reverse());
  const first = chosenMetric(props.metrics, wanted[0]);
  const others = ranked.filter(name => name !== first && isScore(name));
  const second =
    wanted[1] && props.metrics.includes(wanted[1])
      ? wanted[1]
      : (others.find(name => first && better(name) !== better(first)) ?? others[0]);
  const shown = [first, second].filter((name): name is string => !!name);
  return (
    <Section
      title={trans.__('Curves')}
      actions={
        <>
          <label className="lp-Switch">
            {trans.__('over')}
            <select
              value={across}
              onChange={event => setAcross(event.target.value as 'step' | 'seconds')}
            >
              <option value="step">{trans.__('steps')}</option>
              <option value="seconds">{trans.__('seconds')}</option>
            </select>
          </label>
          <label className="lp-Switch">
            <input type="checkbox" checked={log} onChange={e => setLog(e.target.checked)} />
            {trans.__('Log scale')}
          </label>
        </>
      }
    >
      <div className={`lp-Charts${shown.length === 1 ? ' lp-mod-one' : ''}`}>
        {shown.map((metric, i) => (
          <figure key={i} className="lp-Chart">
            <figcaption>
              <select
                className="lp-Chart-metric"
                value={metric}
                aria-label={trans.__('Metric of chart %1', i + 1)}
                onChange={event =>
                  setWanted(wanted.map((name, k) => (k === i ? event.target.value : name)))
                }
              >
                {ranked.map(name => (
                  <option key={name}>{name}</option>
                ))}
              </select>
              <HoverNote {...props} metric={metric} />
            </figcaption>
            <Overlay {...props} metric={metric} log={log} across={across} />
          </figure>
        ))}
      </div>
    </Section>
  );
}

function HoverNote(props: {
  runs: readonly IRunSummary[];
  highlight: string | null;
  metric: string;
  look: Map<string, ILook>;
}): JSX.Element | null {
  const run = props.runs.find(one => one.id === props.highlight);
  if (!run) {
    return null;
  }
  const params = Object.entries(run.params).map(([k, v]) => `${k}=${number(v)}`);
  return (
    <span className="lp-Chart-hover">
      <Swatch look={props.look.get(run.id)} /> <b>{run.id}</b> {params.join(' ')}{' '}
      <b>{number(run.metrics[props.metric])}</b>
    </span>
  );
}

function Overlay(props: {
  comparison: IComparison;
  runs: readonly IRunSummary[];
  metric: string;
  look: Map<string, ILook>;
  kept: ReadonlySet<string>;
  log: boolean;
  across: 'step' | 'seconds';
  highlight: string | null;
  onHighlight: (id: string | null) => void;
}): JSX.Element {
  const { trans } = useLepton();
  const { histories } = props.comparison;
  const drawn = props.runs.filter(run => props.kept.has(run.id));
  const ids = drawn.map(run => run.id).join();
  const [x, curves] = React.useMemo((): [ArrayLike<number>, ICurve[]] => {
    const most = Math.max(60, Math.floor(POINTS / Math.max(1, drawn.length)));
    const tables = drawn.map((run): [number[], Array<number | null>] => {
      const [cx, cy] = courseOf(histories[run.id], props.metric, props.across);
      return thin(cx, cy, most);
    });
    const full = tables
      .map((table, i) => ({ table, run: drawn[i] }))
      .filter(({ table }) => table[0].length > 0);
    if (!full.length) {
      return [[], []];
    }
    const together =
      full.length === 1
        ? full[0].table
        : uPlot.join(full.map(({ table }) => table as uPlot.AlignedData));
    return [
      together[0] as ArrayLike<number>,
      full.map(({ run }, i) => ({
        key: run.id,
        label: run.id,
        colour: props.look.get(run.id)?.colour ?? '#888888',
        dash: props.look.get(run.id)?.dash,
        y: together[i + 1] as ArrayLike<number | null>
      }))
    ];
  }, [histories, ids, props.metric, props.across, props.look]);
  if (!drawn.length) {
    return (
      <Empty>{trans.__('No run is drawn: none is ticked, or none passes the filters.')}</Empty>
    );
  }
  if (!curves.length) {
    return (
      <Empty>
        {trans.__('No course of %1 is known: it was logged once, or not yet.', props.metric)}
      </Empty>
    );
  }
  return (
    <Plot
      label={trans.__('%1 of %2 runs', props.metric, curves.length)}
      x={x}
      curves={curves}
      height={260}
      xName={props.across === 'step' ? trans.__('step') : trans.__('seconds')}
      log={props.log}
      format={tick}
      sync="lepton-compare"
      highlight={props.highlight}
      onHighlight={props.onHighlight}
      resetLabel={trans.__('Reset zoom')}
    />
  );
}
