/** The columns of the table of compared runs. */
import * as React from 'react';
import { useLepton } from '../../context';
import { duration, energy, money, number, numbers } from '../../format';
import type { IRunSummary } from '../../types';
import { IColumn, RunLink, StateMark, elapsed } from '../parts';
import { compared, ILook } from './comparison';
import { Swatch } from './swatch';

export function useColumns(
  runs: readonly IRunSummary[],
  about: ReturnType<typeof compared>,
  look: Map<string, ILook>,
  hidden: ReadonlySet<string>,
  setHidden: (hidden: ReadonlySet<string>) => void,
  remove: (id: string) => void,
  common: string | null | undefined
): IColumn<IRunSummary>[] {
  const { trans } = useLepton();
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
          <RunLink id={run.id} />
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
