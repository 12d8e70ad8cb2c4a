/** What all pages are made of: sections, facts, states, sortable tables, copying. */
import * as React from 'react';
import { Commands } from '../commands';
import { stateWord } from '../components/state';
import { useLepton } from '../context';
import { percent } from '../format';
import type { IRun, IRunSummary, RunState } from '../types';

export function Section(props: {
  title: string;
  note?: React.ReactNode;
  actions?: React.ReactNode;
  className?: string;
  children: React.ReactNode;
}): JSX.Element {
  return (
    <section className={`lp-Block ${props.className ?? ''}`} aria-label={props.title}>
      <header className="lp-Block-head">
        <h2>{props.title}</h2>
        {props.note !== undefined && <span className="lp-Dim">{props.note}</span>}
        {props.actions && <div className="lp-Block-actions">{props.actions}</div>}
      </header>
      {props.children}
    </section>
  );
}

/** A section that is folded until somebody wants it. */
export function Fold(props: {
  title: string;
  note?: React.ReactNode;
  open?: boolean;
  children: React.ReactNode;
}): JSX.Element {
  return (
    <details className="lp-Block lp-Fold" open={props.open}>
      <summary>
        <h2>{props.title}</h2>
        {props.note !== undefined && <span className="lp-Dim">{props.note}</span>}
      </summary>
      {props.children}
    </details>
  );
}

export type Fact = [string, React.ReactNode];

export function Facts(props: { facts: Fact[] }): JSX.Element {
  return (
    <dl className="lp-Facts">
      {props.facts.map(([name, value]) => (
        <React.Fragment key={name}>
          <dt title={name}>{name}</dt>
          <dd title={typeof value === 'string' ? value : undefined}>{value}</dd>
        </React.Fragment>
      ))}
    </dl>
  );
}

/** The facts below the heading of a page, in one line. */
export function HeadFacts(props: { facts: Fact[] }): JSX.Element {
  return (
    <dl className="lp-HeadFacts">
      {props.facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export function RunLink(props: { id: string }): JSX.Element {
  const { execute } = useLepton();
  return (
    <button className="lp-Link" onClick={() => execute(Commands.openRun, { id: props.id })}>
      {props.id}
    </button>
  );
}

/** A share as a bar; of what is scarce, it stands out when it is nearly all. */
export function Meter(props: {
  share: number | null;
  label?: string;
  scarce?: boolean;
}): JSX.Element {
  const share = props.share ?? 0;
  return (
    <span className="lp-Meter">
      <i aria-hidden="true">
        <i
          className={props.scarce && share > 0.9 ? 'lp-mod-high' : undefined}
          style={{ width: `${Math.min(100, share * 100)}%` }}
        />
      </i>
      <span className="lp-Dim">
        {props.share === null ? '–' : `${percent(share)} ${props.label ?? ''}`.trim()}
      </span>
    </span>
  );
}

/** The state; of a run that its search has ended, at which step. */
export function StateMark(props: { state: string; pruned?: number | null }): JSX.Element {
  const { trans } = useLepton();
  const { state, pruned } = props;
  const early = (state === 'cancelled' || state === 'done') && typeof pruned === 'number';
  return (
    <span className={`lp-State lp-mod-${props.state}`}>
      <i aria-hidden="true" />
      {early
        ? trans.__('pruned at step %1', pruned)
        : (stateWord(state as RunState, trans) ?? state)}
    </span>
  );
}

export function Fault(props: { message: string; retry?: () => void }): JSX.Element {
  const { trans } = useLepton();
  return (
    <div className="lp-Fault" role="alert">
      <span>{props.message}</span>
      {props.retry && (
        <button className="lp-Action" onClick={props.retry}>
          {trans.__('Try again')}
        </button>
      )}
    </div>
  );
}

export function Empty(props: { children: React.ReactNode }): JSX.Element {
  return <p className="lp-Empty">{props.children}</p>;
}

/** Copies `text` and says so for a moment. */
export function Copy(props: {
  text: () => string;
  label: string;
  className?: string;
}): JSX.Element {
  const { trans } = useLepton();
  const [done, setDone] = React.useState(false);
  const timer = React.useRef<ReturnType<typeof setTimeout>>();
  React.useEffect(() => () => clearTimeout(timer.current), []);
  return (
    <button
      className={props.className ?? 'lp-Action'}
      onClick={async () => {
        await copy(props.text());
        setDone(true);
        timer.current = setTimeout(() => setDone(false), 1500);
      }}
    >
      <span aria-live="polite">{done ? trans.__('Copied') : props.label}</span>
    </button>
  );
}

async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // No permission, or no secure context: the old way still works.
    const area = document.createElement('textarea');
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
}

export interface IColumn<R> {
  key: string;
  title: React.ReactNode;
  /** What the title is called when it is read out, where it is not text. */
  name?: string;
  /** What rows are sorted by; null comes last either way. */
  value: (row: R) => number | string | boolean | null | undefined;
  cell: (row: R) => React.ReactNode;
  numeric?: boolean;
  fixed?: boolean;
  className?: string;
}

export interface ISorting {
  key: string;
  down: boolean;
}

/** Sort rows by a column's values: numbers as numbers, text with its numbers as numbers. */
export function sorted<R>(rows: readonly R[], column: IColumn<R> | undefined, down: boolean): R[] {
  if (!column) {
    return [...rows];
  }
  const nothing = (v: unknown) =>
    v === null || v === undefined || v === '' || (typeof v === 'number' && Number.isNaN(v));
  return [...rows].sort((one, other) => {
    const [a, b] = [column.value(one), column.value(other)];
    if (nothing(a) || nothing(b)) {
      return Number(nothing(a)) - Number(nothing(b));
    }
    const order =
      typeof a === 'number' && typeof b === 'number'
        ? a - b
        : String(a).localeCompare(String(b), undefined, { numeric: true });
    return down ? -order : order;
  });
}

export function SortTable<R>(props: {
  label: string;
  rows: readonly R[];
  columns: IColumn<R>[];
  rowKey: (row: R) => string;
  sorting: ISorting | null;
  onSort: (sorting: ISorting) => void;
  rowClass?: (row: R) => string | undefined;
  onRowEnter?: (row: R | null) => void;
}): JSX.Element {
  const { sorting } = props;
  const column = props.columns.find(c => c.key === sorting?.key);
  const rows = sorted(props.rows, column, sorting?.down ?? false);
  return (
    <div className="lp-TableBox" tabIndex={0} role="region" aria-label={props.label}>
      <table className="lp-Table" aria-label={props.label}>
        <thead>
          <tr>
            {props.columns.map(c => {
              const active = sorting?.key === c.key;
              return (
                <th
                  key={c.key}
                  scope="col"
                  className={`${c.numeric ? 'lp-Number' : ''} ${c.className ?? ''}`}
                  aria-sort={active ? (sorting.down ? 'descending' : 'ascending') : undefined}
                >
                  {c.fixed ? (
                    c.title
                  ) : (
                    <button
                      onClick={() =>
                        props.onSort({ key: c.key, down: active ? !sorting.down : false })
                      }
                    >
                      {c.title}
                      <span aria-hidden="true" className="lp-Table-arrow">
                        {active ? (sorting.down ? '▾' : '▴') : ''}
                      </span>
                    </button>
                  )}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody onMouseLeave={() => props.onRowEnter?.(null)}>
          {rows.map(row => (
            <tr
              key={props.rowKey(row)}
              className={props.rowClass?.(row)}
              onMouseEnter={props.onRowEnter && (() => props.onRowEnter?.(row))}
            >
              {props.columns.map(c => (
                <td key={c.key} className={`${c.numeric ? 'lp-Number' : ''} ${c.className ?? ''}`}>
                  {c.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Seconds that a run has taken so far; null while it is queued. */
export function elapsed(run: IRunSummary | IRun, now = Date.now() / 1000): number | null {
  return run.started === null || run.started === undefined
    ? null
    : Math.max(0, (run.ended ?? now) - run.started);
}

/** How far a run has come, from 0 to 1; null when it does not say. */
export function shareDone(run: IRunSummary): number | null {
  if (run.state === 'done') {
    return 1;
  }
  const { epoch, epochs, batch, batches } = run.progress ?? {};
  const inner = batch && batches ? Math.min(batch / batches, 1) : 0;
  if (epochs) {
    return Math.min((Math.max((epoch ?? 1) - 1, 0) + inner) / epochs, 1);
  }
  return batches ? inner : null;
}

/** Draws again every `seconds` while `active`. */
export function useClock(active: boolean, seconds = 1): number {
  const [now, setNow] = React.useState(Date.now() / 1000);
  React.useEffect(() => {
    if (!active) {
      return;
    }
    const timer = setInterval(() => setNow(Date.now() / 1000), seconds * 1000);
    return () => clearInterval(timer);
  }, [active, seconds]);
  return active ? now : Date.now() / 1000;
}
