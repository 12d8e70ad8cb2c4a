/** The page that compares runs: their curves together, a table of what differs, what leads where. */
import * as React from 'react';
import { Brush, passes } from '../../charts/axes';
import { useLepton, useStore } from '../../context';
import { number } from '../../format';
import { better } from '../metrics';
import { Copy, Empty, Fault, ISorting, Section, SortTable } from '../parts';
import { SearchLine } from '../searchline';
import { useSurroundings } from '../surroundings';
import { chosenMetric, compared, looks, parseIds } from './comparison';
import { Courses } from './curves';
import { useComparison } from './feed';
import { axesOf, flat, Strands } from './strands';
import { useColumns } from './table';

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
            <Strands
              axes={axes}
              runs={runs}
              differing={about.differing}
              look={look}
              faint={run => !kept.has(run.id) || hidden.has(run.id)}
              brushes={brushes}
              setBrushes={setBrushes}
              highlight={highlight}
              onHighlight={setHighlight}
            />
          )}
        </>
      )}
    </div>
  );
}

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
