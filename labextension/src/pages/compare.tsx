/** The page that compares runs: their curves together, a table of what differs, what leads where. */
import * as React from 'react';
import uPlot from 'uplot';
import { axisOf, Brush, IAxis, passes } from '../charts/axes';
import { ICurve, Plot } from '../charts/plot';
import { IStrand, Parallel } from '../charts/parallel';
import { thin } from '../charts/thin';
import { useVisible } from '../charts/visible';
import { Commands } from '../commands';
import { useLepton, useStore } from '../context';
import type { IComparison, IRunSummary } from '../types';
import { chosenMetric, compared, courseOf, ILook, looks, parseIds, refreshed } from './comparison';
import { better, families, isScore } from './metrics';
import {
  Copy,
  elapsed,
  Empty,
  Fault,
  IColumn,
  ISorting,
  Section,
  SortTable,
  StateMark
} from './parts';
import { SearchLine } from './searchline';
import { useSurroundings } from './surroundings';
import { duration, energy, money, number, numbers, tick } from '../format';

const POINTS = 20_000; // of all curves together
const ACTIVE = new Set(['queued', 'running']);

export function ComparePage(props: { ids: string[]; onIds: (ids: string[]) => void }): JSX.Element {
  const { trans } = useLepton();
  const { link } = useSurroundings();
  const [comparison, fault, reload] = useComparison(props.ids);
  const [sorting, setSorting] = React.useState<ISorting | null>(null);
  const [hidden, setHidden] = React.useState<ReadonlySet<string>>(new Set());
  const [highlight, setHighlight] = React.useState<string | null>(null);
  const [brushes, setBrushes] = React.useState<ReadonlyMap<string, Brush>>(new Map());
  const runs = comparison?.runs ?? [];
  const about = React.useMemo(() => compared(runs), [runs]);
  const lead = chosenMetric(about.metrics, null);
  const look = React.useMemo(
    () => looks(runs, lead),
    [runs.map(run => run.id).join(), runs.length > 16 && runs]
  );
  const axes = React.useMemo(() => axesOf(runs, about.differing, about.metrics), [runs, about]);
  const kept = React.useMemo(
    () => new Set(runs.filter(run => passes(flat(run), axes, brushes)).map(run => run.id)),
    [runs, axes, brushes]
  );
  const remove = (id: string) => props.onIds(runs.map(run => run.id).filter(one => one !== id));
  const names = new Set(runs.map(run => run.name));
  const common = names.size === 1 ? [...names][0] : null;
  const columns = useColumns(runs, about, look, hidden, setHidden, remove, common);
  const order: ISorting | null =
    sorting ?? (lead ? { key: `m:${lead}`, down: better(lead) === 'max' } : null);

  return (
    <div className="lp-Page-body">
      <header className="lp-Head">
        <div className="lp-Head-row">
          <h1>
            {trans.__('Comparison')}
            <span className="lp-Head-name">
              {[common, trans._n('%1 run', '%1 runs', runs.length)].filter(Boolean).join(' · ')}
            </span>
          </h1>
          <div className="lp-Head-actions">
            <AddRuns onAdd={added => props.onIds([...new Set([...props.ids, ...added])])} />
            <Copy
              label={trans.__('Copy link')}
              text={() => link(`compare:${props.ids.join(',')}`)}
            />
          </div>
        </div>
        {Object.entries(comparison?.searches ?? {}).map(([id, search]) => (
          <SearchLine key={id} id={id} search={search} onChange={reload} />
        ))}
        {about.equal.length > 0 && runs.length > 1 && (
          <p className="lp-Equal">
            <span className="lp-Dim">{trans.__('Same in all:')}</span>
            {about.equal.map(([name, value]) => (
              <code key={name}>{`${name} = ${number(value)}`}</code>
            ))}
          </p>
        )}
      </header>
      {fault && <Fault message={fault} retry={reload} />}
      {!comparison && !fault && <Empty>{trans.__('Loading the runs…')}</Empty>}
      {comparison && !runs.length && (
        <Empty>{trans.__('No runs to compare. Add some by their ids, r1 or s1.')}</Empty>
      )}
      {runs.length > 0 && (
        <>
          <Courses
            comparison={comparison!}
            runs={runs.filter(run => !hidden.has(run.id))}
            metrics={about.metrics}
            look={look}
            kept={kept}
            highlight={highlight}
            onHighlight={setHighlight}
          />
          <Section
            title={trans.__('Runs')}
            note={
              brushes.size
                ? trans.__('%1 of %2 pass the filters', kept.size, runs.length)
                : trans.__('★ marks the best of a column')
            }
            actions={
              brushes.size > 0 && (
                <button className="lp-Action" onClick={() => setBrushes(new Map())}>
                  {trans.__('Clear filters')}
                </button>
              )
            }
          >
            <SortTable
              label={trans.__('Compared runs')}
              rows={runs.filter(run => kept.has(run.id))}
              rowKey={run => run.id}
              columns={columns}
              sorting={order}
              onSort={setSorting}
              rowClass={run =>
                [
                  run.id === highlight ? 'lp-mod-on' : '',
                  hidden.has(run.id) ? 'lp-mod-off' : ''
                ].join(' ')
              }
              onRowEnter={run => setHighlight(run?.id ?? null)}
            />
          </Section>
          {runs.length > 1 && axes.length > 1 && (
            <Section
              title={trans.__('Parameters and results')}
              note={trans.__('drag along an axis to filter, click it to clear')}
            >
              <Parallel
                axes={axes}
                strands={runs.map((run): IStrand => ({
                  id: run.id,
                  values: flat(run),
                  colour: look.get(run.id)?.colour ?? 'currentColor',
                  title: titleOf(run, about.differing),
                  faint: !kept.has(run.id) || hidden.has(run.id)
                }))}
                brushes={brushes}
                onBrush={(key, brush) => {
                  const next = new Map(brushes);
                  if (brush) {
                    next.set(key, brush);
                  } else {
                    next.delete(key);
                  }
                  setBrushes(next);
                }}
                highlight={highlight}
                onHighlight={setHighlight}
              />
            </Section>
          )}
        </>
      )}
    </div>
  );
}

/** Parameters and metrics of a run by the key of their axis. */
function flat(run: IRunSummary): Record<string, any> {
  return {
    ...Object.fromEntries(Object.entries(run.params).map(([k, v]) => [`p:${k}`, v])),
    ...Object.fromEntries(Object.entries(run.metrics).map(([k, v]) => [`m:${k}`, v]))
  };
}

function axesOf(runs: readonly IRunSummary[], params: string[], metrics: string[]): IAxis[] {
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

/** The comparison, asked for again while runs go on; seldom where the answer takes long. */
function useComparison(ids: string[]): [IComparison | null, string | null, () => void] {
  const { api, lab } = useLepton();
  const visible = useVisible();
  const [comparison, setComparison] = React.useState<IComparison | null>(null);
  const [fault, setFault] = React.useState<string | null>(null);
  const [asked, setAsked] = React.useState(0);
  const known = useStore(lab.runs).runs;
  const key = ids.join(',');
  const timer = React.useRef<ReturnType<typeof setTimeout>>();
  React.useEffect(() => {
    if (!visible) {
      return;
    }
    let gone = false;
    const load = async () => {
      const begun = performance.now();
      let active = false;
      try {
        const found = ids.length ? await api.compare(ids) : NOTHING;
        if (gone) {
          return;
        }
        setComparison(found);
        setFault(null);
        active =
          found.runs.some(run => ACTIVE.has(run.state)) ||
          Object.values(found.searches ?? {}).some(search => search.state === 'running');
      } catch (error) {
        if (gone) {
          return;
        }
        setFault((error as Error).message);
      }
      if (active) {
        timer.current = setTimeout(load, Math.max(1500, 10 * (performance.now() - begun)));
      }
    };
    void load();
    return () => {
      gone = true;
      clearTimeout(timer.current);
    };
  }, [key, asked, visible]);
  const shown = React.useMemo(
    () => comparison && refreshed(comparison, known),
    [comparison, known]
  );
  return [shown, fault, () => setAsked(n => n + 1)];
}

const NOTHING: IComparison = { runs: [], params: [], metrics: [], best: {}, histories: {} };

function AddRuns(props: { onAdd: (ids: string[]) => void }): JSX.Element {
  const { trans, lab } = useLepton();
  const [text, setText] = React.useState('');
  const { runs } = useStore(lab.runs);
  const ids = parseIds(text);
  return (
    <form
      className="lp-Add"
      onSubmit={event => {
        event.preventDefault();
        if (ids.length) {
          props.onAdd(ids);
          setText('');
        }
      }}
    >
      <input
        value={text}
        list="lepton-run-ids"
        placeholder={trans.__('Add runs: r12, s3')}
        aria-label={trans.__('Ids of runs or sweeps to add')}
        onChange={event => setText(event.target.value)}
      />
      <datalist id="lepton-run-ids">
        {runs.slice(0, 50).map(run => (
          <option key={run.id} value={run.id}>
            {run.name ?? ''}
          </option>
        ))}
      </datalist>
      <button className="lp-Action" disabled={!ids.length}>
        {trans.__('Add')}
      </button>
    </form>
  );
}

function useColumns(
  runs: readonly IRunSummary[],
  about: ReturnType<typeof compared>,
  look: Map<string, ILook>,
  hidden: ReadonlySet<string>,
  setHidden: (hidden: ReadonlySet<string>) => void,
  remove: (id: string) => void,
  common: string | null | undefined
): IColumn<IRunSummary>[] {
  const { trans, execute } = useLepton();
  // A column's numbers have as many decimals as the one that needs most.
  const written = React.useMemo(
    () =>
      new Map(
        about.metrics.map(name => {
          const texts = numbers(runs.map(run => run.metrics[name]));
          return [name, new Map(runs.map((run, i) => [run.id, texts[i]]))];
        })
      ),
    [runs, about]
  );
  const metric = (run: IRunSummary, name: string) => written.get(name)?.get(run.id) ?? '–';
  return [
    {
      key: 'id',
      title: trans.__('Run'),
      value: run => run.id,
      cell: run => (
        <span className="lp-RunCell">
          <input
            type="checkbox"
            checked={!hidden.has(run.id)}
            aria-label={trans.__('Draw %1', run.id)}
            onChange={event => {
              const next = new Set(hidden);
              if (event.target.checked) {
                next.delete(run.id);
              } else {
                next.add(run.id);
              }
              setHidden(next);
            }}
          />
          <Swatch look={look.get(run.id)} />
          <button className="lp-Link" onClick={() => execute(Commands.openRun, { id: run.id })}>
            {run.id}
          </button>
          {run.name && run.name !== common && <span className="lp-Dim">{run.name}</span>}
        </span>
      )
    },
    {
      key: 'state',
      title: trans.__('State'),
      value: run => run.state,
      cell: run => <StateMark state={run.state} pruned={run.pruned} />
    },
    ...about.differing.map((name): IColumn<IRunSummary> => ({
      key: `p:${name}`,
      title: name,
      className: 'lp-mod-differs',
      numeric: about.numeric.has(name),
      value: run => run.params[name] as any,
      cell: run => number(run.params[name])
    })),
    ...about.metrics.map((name): IColumn<IRunSummary> => ({
      key: `m:${name}`,
      title: name,
      numeric: true,
      value: run => run.metrics[name],
      cell: run =>
        about.best[name] === run.id ? (
          <b className="lp-Best" title={trans.__('best of the column')}>
            <span aria-label={trans.__('best')} role="img">
              ★
            </span>{' '}
            {metric(run, name)}
          </b>
        ) : (
          metric(run, name)
        )
    })),
    {
      key: 'time',
      title: trans.__('Time'),
      numeric: true,
      value: run => elapsed(run),
      cell: run => duration(elapsed(run))
    },
    ...costColumns(runs, trans),
    {
      key: 'remove',
      title: <span className="lp-Hidden">{trans.__('Remove')}</span>,
      fixed: true,
      value: () => null,
      cell: run => (
        <button
          className="lp-Cross"
          title={trans.__('Take %1 out of the comparison', run.id)}
          aria-label={trans.__('Take %1 out of the comparison', run.id)}
          onClick={() => remove(run.id)}
        >
          ×
        </button>
      )
    }
  ];
}

const LEAST = 1e-4; // Wh that are worth a column: a core for 45 ms

function costColumns(
  runs: readonly IRunSummary[],
  trans: ReturnType<typeof useLepton>['trans']
): IColumn<IRunSummary>[] {
  if (!runs.some(run => (run.cost?.energy_wh ?? 0) >= LEAST)) {
    return [];
  }
  return [
    {
      key: 'energy',
      title: trans.__('Energy'),
      numeric: true,
      value: run => run.cost?.energy_wh ?? null,
      cell: run =>
        run.cost ? <span title={run.cost.energy}>{energy(run.cost.energy_wh)}</span> : '–'
    },
    {
      key: 'money',
      title: trans.__('Cost'),
      numeric: true,
      value: run => run.cost?.money ?? null,
      cell: run => (run.cost ? money(run.cost.money, run.cost.currency) : '–')
    }
  ];
}

function Swatch(props: { look?: ILook }): JSX.Element {
  return (
    <svg width="16" height="8" aria-hidden="true">
      <line
        x1="0"
        x2="16"
        y1="4"
        y2="4"
        stroke={props.look?.colour}
        strokeWidth="3"
        strokeDasharray={props.look?.dash?.join(' ')}
      />
    </svg>
  );
}

function Courses(props: {
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
