/** The page of one dataset: what it holds, what it takes, what is in it, where it came from. */
import * as React from 'react';
import { IRow, RowBars } from '../charts/bars';
import { curveColour } from '../charts/colours';
import { useLepton } from '../context';
import type { IDataset, IPreview } from '../types';
import { arrayRows, codecWords, IArrayRow, sampleCount } from './arrays';
import {
  Copy,
  Empty,
  Fact,
  Facts,
  Fault,
  Fold,
  IColumn,
  ISorting,
  Section,
  SortTable
} from './parts';
import { useSurroundings } from './surroundings';
import { useLoaded } from './loaded';
import { Tiers } from './tiers';
import { useTask, TaskLine } from './taskline';
import { Versions } from './versions';
import { bytes, count, moment, number, shape } from '../format';

export function DatasetPage(props: { path: string }): JSX.Element {
  const { api, trans } = useLepton();
  const { link } = useSurroundings();
  const [dataset, fault, reload] = useLoaded(() => api.dataset(props.path), [props.path]);
  const code = `ds = lepton.open_dataset(${JSON.stringify(props.path)})`;
  return (
    <div className="lp-Page-body">
      <header className="lp-Head">
        <div className="lp-Head-row">
          <h1>
            {dataset?.name ?? props.path.split('/').pop()}
            {dataset && (
              <span className="lp-Head-name">
                {trans._n(
                  '%2 sample',
                  '%2 samples',
                  sampleCount(dataset),
                  count(sampleCount(dataset))
                )}
              </span>
            )}
          </h1>
          <div className="lp-Head-actions">
            <Copy label={trans.__('Copy code')} text={() => code} />
            <Copy label={trans.__('Copy link')} text={() => link(`dataset:${props.path}`)} />
          </div>
        </div>
        {dataset && <Summary dataset={dataset} />}
      </header>
      {fault && <Fault message={fault} retry={reload} />}
      {!dataset && !fault && <Empty>{trans.__('Reading %1…', props.path)}</Empty>}
      {dataset && (
        <>
          <Arrays dataset={dataset} />
          <div className="lp-Columns">
            <div className="lp-Columns-main">
              <Samples
                path={props.path}
                total={dataset.samples}
                groups={Object.keys(dataset.groups ?? {})}
              />
              <Labels path={props.path} groups={Object.keys(dataset.groups ?? {})} />
            </div>
            <div className="lp-Columns-side">
              <Sizes dataset={dataset} />
              <Versions path={props.path} name={dataset.name} onChange={reload} />
              <Verify path={props.path} />
              <Tiers path={props.path} place={dataset.place} onChange={reload} />
              <Origin dataset={dataset} />
            </div>
          </div>
        </>
      )}
    </div>
  );
}

function Summary(props: { dataset: IDataset }): JSX.Element {
  const { trans } = useLepton();
  const { dataset } = props;
  const facts: Array<[string, string]> = [
    [trans.__('Path'), dataset.path],
    [trans.__('Stored'), bytes(dataset.stored_bytes)],
    [trans.__('Compression'), dataset.ratio ? `${dataset.ratio.toPrecision(3)} ×` : '–'],
    [trans.__('Format'), `Zarr v${dataset.zarr_format}`]
  ];
  const groups = Object.entries(dataset.groups ?? {});
  if (groups.length) {
    facts.push([
      trans.__('Parts'),
      groups.map(([name, group]) => `${name} ${count(sampleCount(group))}`).join(' · ')
    ]);
  }
  const classes = dataset.classes ?? groups.map(([, g]) => g.classes).find(Boolean);
  if (classes) {
    facts.push([trans.__('Classes'), String(classes.length)]);
  }
  return (
    <dl className="lp-HeadFacts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Arrays(props: { dataset: IDataset }): JSX.Element {
  const { trans } = useLepton();
  const [sorting, setSorting] = React.useState<ISorting | null>(null);
  const rows = arrayRows(props.dataset);
  const roles = props.dataset.roles ?? {};
  const roleOf = (row: IArrayRow) =>
    Object.entries(roles).find(([, name]) => name === row.path)?.[0];
  const columns: IColumn<IArrayRow>[] = [
    {
      key: 'name',
      title: trans.__('Array'),
      value: r => r.path,
      cell: r => (
        <>
          <b>{r.path}</b>
          {roleOf(r) && roleOf(r) !== r.path && <span className="lp-Dim"> {roleOf(r)}</span>}
        </>
      )
    },
    { key: 'shape', title: trans.__('Shape'), value: r => r.shape[0], cell: r => shape(r.shape) },
    { key: 'dtype', title: trans.__('Type'), value: r => r.dtype, cell: r => r.dtype },
    {
      key: 'chunks',
      title: trans.__('Chunk'),
      value: r => r.chunk_bytes,
      cell: r => (
        <>
          {shape(r.chunks)} <span className="lp-Dim">{bytes(r.chunk_bytes)}</span>
        </>
      )
    },
    {
      key: 'count',
      title: trans.__('Chunks'),
      numeric: true,
      value: r => r.chunk_count,
      cell: r => (
        <>
          {count(r.chunk_count)}
          {r.shards && <span className="lp-Dim"> {trans.__('in shards')}</span>}
        </>
      )
    },
    {
      key: 'codecs',
      title: trans.__('Codecs'),
      value: r => codecWords(r.codecs),
      cell: r => codecWords(r.codecs)
    },
    {
      key: 'original',
      title: trans.__('Original'),
      numeric: true,
      value: r => r.original_bytes,
      cell: r => bytes(r.original_bytes)
    },
    {
      key: 'stored',
      title: trans.__('Stored'),
      numeric: true,
      value: r => r.stored_bytes,
      cell: r => bytes(r.stored_bytes)
    },
    {
      key: 'ratio',
      title: trans.__('Ratio'),
      numeric: true,
      value: r => r.ratio,
      cell: r => (r.ratio ? `${r.ratio.toPrecision(3)} ×` : '–')
    }
  ];
  const verdicts = rows.filter(row => row.verdict);
  return (
    <Section title={trans.__('Arrays')} note={String(rows.length)}>
      <SortTable
        label={trans.__('Arrays')}
        rows={rows}
        columns={columns}
        rowKey={r => r.path}
        sorting={sorting}
        onSort={setSorting}
      />
      {verdicts.map(row => (
        <p key={row.path} className="lp-Advice">
          <b>{row.path}</b>: {row.verdict}
        </p>
      ))}
      {rows.length > 0 && !verdicts.length && (
        <p className="lp-Fine">{trans.__('Chunks suit shuffled reading; nothing to change.')}</p>
      )}
    </Section>
  );
}

/** What the dataset takes after each step, as rows of one bar chart. */
export function sizeRows(
  dataset: IDataset,
  trans: { __(text: string, ...v: any[]): string }
): IRow[] {
  const { storage, place } = dataset;
  const original = storage?.original_bytes ?? dataset.original_bytes;
  const rows: IRow[] = [
    {
      key: 'original',
      label: trans.__('original'),
      value: original,
      text: bytes(original),
      note: '',
      colour: '#7d858f'
    }
  ];
  const ratio = (value: number) => (value ? `${(original / value).toPrecision(3)} ×` : '');
  const add = (key: string, label: string, value: number | null | undefined, colour: string) => {
    if (typeof value === 'number') {
      rows.push({ key, label, value, text: bytes(value), note: ratio(value), colour });
    }
  };
  add(
    'compressed',
    trans.__('compressed'),
    storage?.compressed_bytes ?? dataset.stored_bytes,
    curveColour(0)
  );
  add('deduplicated', trans.__('deduplicated'), storage?.deduplicated_bytes, curveColour(2));
  for (const [tier, value] of Object.entries((place?.tier_bytes ?? {}) as Record<string, number>)) {
    rows.push({
      key: `tier-${tier}`,
      label: trans.__('%1 tier', tier),
      value,
      text: bytes(value),
      note: '',
      colour: curveColour(7)
    });
  }
  return rows;
}

function Sizes(props: { dataset: IDataset }): JSX.Element {
  const { trans } = useLepton();
  const { dataset } = props;
  const versions = dataset.storage?.versions as number | undefined;
  return (
    <Section
      title={trans.__('What it takes')}
      note={versions ? trans._n('with %1 version', 'with %1 versions', versions) : undefined}
    >
      <RowBars rows={sizeRows(dataset, trans)} label={trans.__('Bytes after each step')} />
    </Section>
  );
}

function Parts(props: {
  groups: string[];
  value: string;
  onChange: (group: string) => void;
}): JSX.Element | null {
  const { trans } = useLepton();
  if (!props.groups.length) {
    return null;
  }
  return (
    <label className="lp-Switch">
      {trans.__('part')}
      <select value={props.value} onChange={event => props.onChange(event.target.value)}>
        {props.groups.map(name => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </label>
  );
}

const PAGE = 24;

function Samples(props: { path: string; total: number; groups: string[] }): JSX.Element {
  const { api, trans } = useLepton();
  const [start, setStart] = React.useState(0);
  const [group, setGroup] = React.useState(props.groups[0] ?? '');
  const where = group ? `${props.path}/${group}` : props.path;
  const [preview, fault, reload] = useLoaded(() => api.preview(where, PAGE, start), [where, start]);
  const shown = preview?.samples.length ?? 0;
  const last = start + shown;
  return (
    <Section
      title={trans.__('Samples')}
      note={shown ? trans.__('%1 to %2', count(start), count(last - 1)) : undefined}
      actions={
        <>
          <Parts
            groups={props.groups}
            value={group}
            onChange={name => {
              setGroup(name);
              setStart(0);
            }}
          />
          <button
            className="lp-Action"
            disabled={start === 0}
            onClick={() => setStart(Math.max(0, start - PAGE))}
          >
            {trans.__('Previous')}
          </button>
          <button
            className="lp-Action"
            disabled={shown < PAGE}
            onClick={() => setStart(start + PAGE)}
          >
            {trans.__('Next')}
          </button>
        </>
      }
    >
      {fault && <Fault message={fault} retry={reload} />}
      {!preview && !fault && <Empty>{trans.__('Reading samples…')}</Empty>}
      {preview && !shown && <Empty>{trans.__('It holds no samples.')}</Empty>}
      {preview && shown > 0 && <Grid preview={preview} />}
    </Section>
  );
}

function Grid(props: { preview: IPreview }): JSX.Element {
  const { trans } = useLepton();
  const { kind, samples } = props.preview;
  if (samples.some(sample => sample.image)) {
    return (
      <ul className={`lp-Grid lp-mod-${kind}`}>
        {samples.map(sample => (
          <li
            key={sample.index}
            title={`${sample.index}: ${sample.label ?? ''} ${sample.text ?? ''}`}
          >
            <img
              src={sample.image ?? ''}
              alt={trans.__('Sample %1: %2', sample.index, sample.label ?? sample.text ?? '')}
            />
            <span>{sample.label ?? sample.index}</span>
          </li>
        ))}
      </ul>
    );
  }
  return (
    <div className="lp-TableBox" tabIndex={0} role="region" aria-label={trans.__('Samples')}>
      <table className="lp-Table">
        <thead>
          <tr>
            <th className="lp-Number">{trans.__('Sample')}</th>
            <th>{trans.__('Values')}</th>
            <th>{trans.__('Label')}</th>
          </tr>
        </thead>
        <tbody>
          {samples.map(sample => (
            <tr key={sample.index}>
              <td className="lp-Number lp-Dim">{count(sample.index)}</td>
              <td className="lp-Grid-text">{sample.text}</td>
              <td>{sample.label ?? '–'}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Labels(props: { path: string; groups: string[] }): JSX.Element | null {
  const { api, trans } = useLepton();
  const where = props.groups.length ? `${props.path}/${props.groups[0]}` : props.path;
  const [found] = useLoaded(() => api.labels(where), [where]);
  const labels = found?.labels;
  if (!labels) {
    return null;
  }
  return (
    <Section
      title={trans.__('Labels')}
      note={
        labels.samples < labels.of
          ? trans.__('of the first %1 of %2 samples', count(labels.samples), count(labels.of))
          : trans.__('of %1 samples', count(labels.samples))
      }
    >
      <RowBars
        label={trans.__('Samples by label')}
        rows={labels.names.map((name, i) => ({
          key: `${i}`,
          label: name,
          value: labels.counts[i],
          text: count(labels.counts[i]),
          note: `${((100 * labels.counts[i]) / labels.samples).toFixed(1)} %`
        }))}
      />
    </Section>
  );
}

function Verify(props: { path: string }): JSX.Element {
  const { api, trans } = useLepton();
  const task = useTask();
  const result = task.task?.state === 'done' ? task.task.result : null;
  return (
    <Section
      title={trans.__('Check')}
      actions={
        <button
          className="lp-Action"
          disabled={task.running}
          onClick={() => task.run(() => api.verify(props.path))}
        >
          {trans.__('Verify every chunk')}
        </button>
      }
    >
      <TaskLine task={task} />
      {result && (
        <p className={result.ok ? 'lp-Fine' : 'lp-Advice'} role="status">
          {result.ok
            ? trans.__('All chunks are as they were written.')
            : trans.__('Broken: %1', findings(result))}
        </p>
      )}
      {!task.task && !task.fault && (
        <p className="lp-Dim">
          {trans.__('Reads and decodes each chunk, and compares checksums.')}
        </p>
      )}
    </Section>
  );
}

function findings(result: any): string {
  const all: any[] = result.findings ?? [];
  const said = all
    .slice(0, 5)
    .map(f => `${f.array ?? ''} ${f.chunk ?? ''} ${f.problem ?? ''}`.trim());
  return said.join('; ') + (all.length > 5 ? ` … ${all.length}` : '');
}

function Origin(props: { dataset: IDataset }): JSX.Element {
  const { trans } = useLepton();
  const { dataset } = props;
  const history = [...((dataset.history ?? []) as Array<Record<string, any>>)].reverse();
  return (
    <Fold title={trans.__('Where it came from')} note={dataset.source ?? ''} open>
      {history.length === 0 && (
        <Empty>{trans.__('No history: it was not written by Lepton.')}</Empty>
      )}
      <ol className="lp-History">
        {history.map((entry, i) => {
          const facts = Object.entries(entry)
            .filter(([k, v]) => !['action', 'time'].includes(k) && typeof v !== 'object')
            .map(([k, v]): Fact => [k, number(v)]);
          const time = Date.parse(entry.time ?? '') / 1000;
          return (
            <li key={i}>
              <b>{entry.action ?? trans.__('change')}</b>{' '}
              <span className="lp-Dim">{Number.isFinite(time) ? moment(time) : ''}</span>
              <Facts facts={facts} />
            </li>
          );
        })}
      </ol>
    </Fold>
  );
}
