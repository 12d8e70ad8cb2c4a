/** The page of resources: this machine, each GPU, each worker, each run, over the last hour. */
import * as React from 'react';
import { curveColour } from '../charts/colours';
import { ICurve, Legend, Plot } from '../charts/plot';
import { Sparkline } from '../charts/sparkline';
import { thin } from '../charts/thin';
import { Commands } from '../commands';
import { useLepton, useStore } from '../context';
import type { ResourceHistory, Values } from '../history';
import { GpuTable } from './gpus';
import { Empty, IColumn, ISorting, Section, SortTable } from './parts';
import { useResources } from './resourcefeed';
import { buckets, IWindow, RANGES, windowOf } from './ranges';
import { bytes, percent, tick } from '../format';

const POINTS = 360; // of a curve, at most
const SPARK = 60; // of a sparkline

export function ResourcesPage(): JSX.Element {
  const { trans } = useLepton();
  const [minutes, setMinutes] = React.useState(5);
  const resources = useResources(minutes > 5 ? 5000 : 1000);
  const shown = windowOf(resources.times, minutes);
  const host = resources.latest?.host;
  return (
    <div className="lp-Page-body">
      <header className="lp-Head">
        <div className="lp-Head-row">
          <h1>{trans.__('Resources')}</h1>
          <div
            className="lp-Choice"
            role="radiogroup"
            aria-label={trans.__('How far back')}
            onKeyDown={event => {
              const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
              const next = RANGES[RANGES.indexOf(minutes) + step];
              if (step && next) {
                event.preventDefault();
                setMinutes(next);
                const buttons = event.currentTarget.querySelectorAll('button');
                buttons[RANGES.indexOf(next)]?.focus();
              }
            }}
          >
            {RANGES.map(range => (
              <button
                key={range}
                role="radio"
                aria-checked={range === minutes}
                tabIndex={range === minutes ? 0 : -1}
                onClick={() => setMinutes(range)}
              >
                {trans.__('%1 min', range)}
              </button>
            ))}
          </div>
        </div>
      </header>
      <Machine resources={resources} shown={shown} />
      <Gpus resources={resources} shown={shown} />
      <Workers resources={resources} minutes={minutes} />
      <Runs resources={resources} minutes={minutes} />
      {!host && resources.times.length === 0 && (
        <Empty>{trans.__('Waiting for the first sample…')}</Empty>
      )}
    </div>
  );
}

interface IPart {
  resources: ResourceHistory;
  shown: IWindow;
}

interface ILine {
  series: string;
  label: string;
  colour: string;
}

function Machine({ resources, shown }: IPart): JSX.Element {
  const { trans } = useLepton();
  const host = resources.latest?.host;
  const total = host?.memory[1] ?? resources.facts.get('host.memory_total') ?? null;
  const rate = (v: number) => `${bytes(v)}/s`;
  const disk =
    host && host.disk[3]
      ? trans.__('%1 of %2 full', percent(host.disk[2] / host.disk[3]), bytes(host.disk[3]))
      : '';
  return (
    <Section title={trans.__('This machine')}>
      <div className="lp-Charts lp-mod-four">
        <Chart
          title={trans.__('CPU')}
          note={trans.__('of all cores')}
          lines={[{ series: 'host.cpu', label: '', colour: curveColour(0) }]}
          resources={resources}
          shown={shown}
          format={v => `${tick(Math.round(v))} %`}
          yRange={[0, 100]}
          fill
        />
        <Chart
          title={trans.__('Memory')}
          note={total ? trans.__('of %1', bytes(total)) : ''}
          lines={[{ series: 'host.memory', label: '', colour: curveColour(2) }]}
          resources={resources}
          shown={shown}
          format={bytes}
          yRange={[0, total]}
          fill
        />
        <Chart
          title={trans.__('Disk')}
          note={disk}
          lines={[
            { series: 'host.disk_read', label: trans.__('read'), colour: curveColour(0) },
            { series: 'host.disk_write', label: trans.__('write'), colour: curveColour(1) }
          ]}
          resources={resources}
          shown={shown}
          format={rate}
          yRange={[0, null]}
        />
        <Chart
          title={trans.__('Network')}
          note=""
          lines={[
            { series: 'host.network_in', label: trans.__('in'), colour: curveColour(0) },
            { series: 'host.network_out', label: trans.__('out'), colour: curveColour(1) }
          ]}
          resources={resources}
          shown={shown}
          format={rate}
          yRange={[0, null]}
        />
      </div>
    </Section>
  );
}

function Chart(
  props: IPart & {
    title: string;
    note: string;
    lines: ILine[];
    format: (value: number) => string;
    yRange: [number | null, number | null];
    fill?: boolean;
  }
): JSX.Element {
  const { trans } = useLepton();
  const { resources, shown } = props;
  const [index, setIndex] = React.useState<number | null>(null);
  const last = resources.times[resources.times.length - 1];
  // All lines share their x: the first is thinned, and the others with it where there are several.
  const [x, curves] = React.useMemo((): [number[], ICurve[]] => {
    const of = (line: ILine): Values =>
      (resources.series.get(line.series) ?? []).slice(shown.begin);
    const columns = props.lines.map(of);
    let times = shown.times;
    let ys: Values[] = columns;
    if (times.length > POINTS) {
      if (columns.length === 1) {
        const [tx, ty] = thin(times, columns[0], POINTS);
        [times, ys] = [tx, [ty]];
      } else {
        [times, ys] = buckets(times, columns, POINTS);
      }
    }
    return [
      times,
      props.lines.map((line, i) => ({
        key: line.series,
        label: line.label,
        colour: line.colour,
        fill: props.fill,
        y: ys[i]
      }))
    ];
  }, [last, shown.from, shown.begin, resources.times.length]);
  return (
    <figure className="lp-Chart">
      <figcaption>
        <h3>{props.title}</h3>
        <span className="lp-Dim">
          {index !== null && x[index] ? new Date(x[index] * 1000).toLocaleTimeString() : props.note}
        </span>
        <Legend curves={curves} index={index} format={props.format} />
      </figcaption>
      <Plot
        label={trans.__('%1 over time', props.title)}
        x={x}
        curves={curves}
        height={140}
        time
        xRange={[shown.from, shown.to]}
        yRange={props.yRange}
        format={props.format}
        sync="lepton-resources"
        onCursor={setIndex}
        resetLabel={trans.__('Reset zoom')}
      />
    </figure>
  );
}

function Gpus({ resources, shown }: IPart): JSX.Element {
  const { trans } = useLepton();
  const gpus = resources.latest?.host.gpus ?? [];
  const title = trans.__('GPUs');
  if (!gpus.length) {
    return (
      <Section title={title}>
        <Empty>
          {resources.message ??
            trans.__('No GPU: this machine has none that NVML sees. Runs use the CPU.')}
        </Empty>
      </Section>
    );
  }
  const lines = (what: string): ILine[] =>
    gpus.map(gpu => ({
      series: `gpu.${gpu.index}.${what}`,
      label: gpus.length === 1 ? '' : String(gpu.index),
      colour: curveColour(gpu.index)
    }));
  return (
    <Section title={title} note={trans._n('%1 device', '%1 devices', gpus.length)}>
      <GpuTable gpus={gpus} />
      <div className="lp-Charts lp-mod-four lp-Gpus">
        <Chart
          title={trans.__('Use')}
          note=""
          lines={lines('use')}
          resources={resources}
          shown={shown}
          format={v => `${tick(Math.round(v))} %`}
          yRange={[0, 100]}
          fill={gpus.length === 1}
        />
        <Chart
          title={trans.__('Memory')}
          note=""
          lines={lines('memory')}
          resources={resources}
          shown={shown}
          format={bytes}
          yRange={[0, Math.max(...gpus.map(gpu => gpu.memory[1]))]}
          fill={gpus.length === 1}
        />
        {gpus.some(gpu => gpu.power !== null) && (
          <Chart
            title={trans.__('Power')}
            note=""
            lines={lines('power')}
            resources={resources}
            shown={shown}
            format={v => `${tick(Math.round(v))} W`}
            yRange={[0, Math.max(...gpus.map(gpu => gpu.power_limit ?? 0)) || null]}
          />
        )}
        {gpus.some(gpu => gpu.temperature !== null) && (
          <Chart
            title={trans.__('Temperature')}
            note=""
            lines={lines('temperature')}
            resources={resources}
            shown={shown}
            format={v => `${tick(Math.round(v))} °C`}
            yRange={[20, 90]}
          />
        )}
      </div>
    </Section>
  );
}

interface IWorkerRow {
  key: string;
  cpu: number | null;
  memory: number | null;
  limit: number | null;
  run: string | null;
  device: string;
  spark: Values;
}

/** The newest values of a series, with room on the left for what was before it began. */
function spark(resources: ResourceHistory, name: string, minutes: number): Values {
  const span = minutes * 60;
  const cut = (resources.series.get(name) ?? []).slice(-span);
  const all: Values = [...new Array(Math.max(0, span - cut.length)).fill(null), ...cut];
  return buckets(
    all.map((_, i) => i),
    [all],
    SPARK
  )[1][0];
}

function Workers(props: { resources: ResourceHistory; minutes: number }): JSX.Element {
  const { trans, lab } = useLepton();
  const { resources } = props;
  const clusters = useStore(lab.clusters);
  const [sorting, setSorting] = React.useState<ISorting | null>({ key: 'name', down: false });
  const sample = resources.latest?.workers ?? {};
  const rows: IWorkerRow[] = Object.entries(sample).map(([key, w]) => ({
    key,
    cpu: w.cpu,
    memory: w.memory?.[0] ?? null,
    limit: w.memory?.[1] ?? null,
    run: w.run,
    device: w.device,
    spark: spark(resources, `worker.${key}.cpu`, props.minutes)
  }));
  const columns: IColumn<IWorkerRow>[] = [
    { key: 'name', title: trans.__('Worker'), value: r => r.key, cell: r => r.key },
    { key: 'device', title: trans.__('Device'), value: r => r.device, cell: r => r.device },
    {
      key: 'run',
      title: trans.__('Run'),
      value: r => r.run,
      cell: r =>
        r.run ? <RunLink id={r.run} /> : <span className="lp-Dim">{trans.__('idle')}</span>
    },
    {
      key: 'cpu',
      title: trans.__('CPU'),
      numeric: true,
      value: r => r.cpu,
      cell: r => (r.cpu === null ? '–' : `${Math.round(r.cpu)} %`)
    },
    {
      key: 'spark',
      title: trans.__('last %1 min', props.minutes),
      fixed: true,
      className: 'lp-Spark',
      value: () => null,
      cell: r => (
        <Sparkline
          values={r.spark}
          low={0}
          high={Math.max(100, ...r.spark.map(v => v ?? 0))}
          label={trans.__('CPU of %1', r.key)}
        />
      )
    },
    {
      key: 'memory',
      title: trans.__('Memory'),
      numeric: true,
      value: r => r.memory,
      cell: r => bytes(r.memory)
    },
    {
      key: 'share',
      title: trans.__('of its limit'),
      value: r => (r.memory !== null && r.limit ? r.memory / r.limit : null),
      cell: r => (
        <Meter
          share={r.memory !== null && r.limit ? r.memory / r.limit : null}
          label={trans.__('of %1', bytes(r.limit))}
        />
      )
    }
  ];
  return (
    <Section
      title={trans.__('Workers')}
      note={
        rows.length
          ? trans.__('%1, %2 busy', rows.length, rows.filter(r => r.run).length)
          : undefined
      }
    >
      {rows.length ? (
        <SortTable
          label={trans.__('Workers')}
          rows={rows}
          columns={columns}
          rowKey={r => r.key}
          sorting={sorting}
          onSort={setSorting}
        />
      ) : (
        <Empty>
          {clusters?.length
            ? trans.__('The clusters have not reported yet.')
            : trans.__('No cluster is running. Start one in the Lepton sidebar.')}
        </Empty>
      )}
    </Section>
  );
}

function Meter(props: { share: number | null; label: string }): JSX.Element {
  const share = props.share ?? 0;
  return (
    <span className="lp-Meter">
      <i aria-hidden="true">
        <i
          className={share > 0.9 ? 'lp-mod-high' : undefined}
          style={{ width: `${Math.min(100, share * 100)}%` }}
        />
      </i>
      <span className="lp-Dim">
        {props.share === null ? '–' : `${percent(share)} ${props.label}`}
      </span>
    </span>
  );
}

function RunLink(props: { id: string }): JSX.Element {
  const { execute } = useLepton();
  return (
    <button className="lp-Link" onClick={() => execute(Commands.openRun, { id: props.id })}>
      {props.id}
    </button>
  );
}

interface IRunRow {
  id: string;
  cpu: number;
  memory: number;
  gpu: number | null;
  spark: Values;
}

function Runs(props: { resources: ResourceHistory; minutes: number }): JSX.Element | null {
  const { trans } = useLepton();
  const { resources } = props;
  const [sorting, setSorting] = React.useState<ISorting | null>({ key: 'id', down: true });
  const rows: IRunRow[] = Object.entries(resources.latest?.runs ?? {}).map(([id, r]) => ({
    id,
    cpu: r.cpu,
    memory: r.memory,
    gpu: r.gpu_memory,
    spark: spark(resources, `run.${id}.memory`, props.minutes)
  }));
  if (!rows.length) {
    return null;
  }
  const columns: IColumn<IRunRow>[] = [
    { key: 'id', title: trans.__('Run'), value: r => r.id, cell: r => <RunLink id={r.id} /> },
    {
      key: 'cpu',
      title: trans.__('CPU'),
      numeric: true,
      value: r => r.cpu,
      cell: r => `${Math.round(r.cpu)} %`
    },
    {
      key: 'memory',
      title: trans.__('Memory'),
      numeric: true,
      value: r => r.memory,
      cell: r => bytes(r.memory)
    },
    {
      key: 'spark',
      title: trans.__('last %1 min', props.minutes),
      fixed: true,
      className: 'lp-Spark',
      value: () => null,
      cell: r => <Sparkline values={r.spark} low={0} label={trans.__('Memory of %1', r.id)} />
    }
  ];
  if (rows.some(r => r.gpu !== null)) {
    columns.push({
      key: 'gpu',
      title: trans.__('GPU memory'),
      numeric: true,
      value: r => r.gpu,
      cell: r => bytes(r.gpu)
    });
  }
  return (
    <Section title={trans.__('Runs')} note={trans.__('%1 at work', rows.length)}>
      <SortTable
        label={trans.__('Runs')}
        rows={rows}
        columns={columns}
        rowKey={r => r.id}
        sorting={sorting}
        onSort={setSorting}
      />
    </Section>
  );
}
