/** Versions of a dataset: kept, compared, brought back after a question. */
import * as React from 'react';
import { useLepton } from '../../context';
import type { IDifference, ITask } from '../../types';
import { useLoaded } from '../loaded';
import { Empty, Fault, Section } from '../parts';
import { useSurroundings } from '../surroundings';
import { TaskLine, useTask } from '../taskline';
import { bytes, count, moment } from '../../format';

interface IRow {
  name: string;
  created: string | number;
  files: number;
  stored_bytes: number;
  own_bytes: number;
}

export function Versions(props: { path: string; name: string; onChange: () => void }): JSX.Element {
  const { api, trans } = useLepton();
  const { ask, confirm } = useSurroundings();
  const [found, fault, reload] = useLoaded(() => api.versions(props.path), [props.path]);
  const [difference, setDifference] = React.useState<IDifference | null>(null);
  const [restoring, setRestoring] = React.useState('');
  const [problem, setProblem] = React.useState<string | null>(null);
  const task = useTask((_: ITask) => {
    reload();
    props.onChange();
  });
  const rows = [...((found?.versions ?? []) as unknown as IRow[])].reverse();

  const keep = async () => {
    const name = await ask(
      trans.__('Keep %1 as it is now', props.name),
      trans.__('Name of the version'),
      `v${rows.length + 1}`
    );
    if (name) {
      await task.run(() => api.snapshot(props.path, name));
    }
  };
  const compare = async (name: string) => {
    setProblem(null);
    setDifference(null);
    try {
      setDifference(await api.difference(props.path, name));
    } catch (error) {
      setProblem((error as Error).message);
    }
  };
  const bringBack = async (name: string) => {
    const sure = await confirm(
      trans.__('Bring back %1?', name),
      trans.__(
        '%1 becomes what it was in the version %2, in one step. What no version has is refused to be given up, and asked about again.',
        props.name,
        name
      ),
      trans.__('Restore')
    );
    if (!sure) {
      return;
    }
    setRestoring(name);
    await task.run(() => api.restore(props.path, name));
  };
  const force = async () => {
    const sure = await confirm(
      trans.__('Restore %1 and give up changes?', restoring),
      trans.__('What was changed since, and no version has, will be gone.'),
      trans.__('Give up changes')
    );
    if (sure) {
      await task.run(() => api.restore(props.path, restoring, true));
    }
  };
  return (
    <Section
      title={trans.__('Versions')}
      note={rows.length ? String(rows.length) : undefined}
      actions={
        <button className="lp-Action" disabled={task.running} onClick={() => void keep()}>
          {trans.__('Keep a version')}
        </button>
      }
    >
      {fault && <Fault message={fault} retry={reload} />}
      <TaskLine task={task} />
      {problem && <Fault message={problem} />}
      {task.fault && task.task?.kind === 'data restore' && (
        <button className="lp-Action lp-mod-danger" onClick={() => void force()}>
          {trans.__('Restore anyway')}
        </button>
      )}
      {found && !rows.length && (
        <Empty>{trans.__('None yet. A version shares its chunks and costs little.')}</Empty>
      )}
      <ul className="lp-Versions">
        {rows.map(row => (
          <li key={row.name}>
            <b title={row.name}>{row.name}</b>
            <span className="lp-Dim">
              {moment(
                typeof row.created === 'number' ? row.created : Date.parse(row.created) / 1000
              )}
            </span>
            <span
              className="lp-Dim"
              title={trans.__(
                '%1 in all; dropping it frees %2',
                bytes(row.stored_bytes),
                bytes(row.own_bytes)
              )}
            >
              {trans.__('own %1', bytes(row.own_bytes))}
            </span>
            <span className="lp-Versions-actions">
              <button className="lp-Action" onClick={() => void compare(row.name)}>
                {trans.__('Compare')}
              </button>
              <button
                className="lp-Action"
                disabled={task.running}
                onClick={() => void bringBack(row.name)}
              >
                {trans.__('Restore')}
              </button>
            </span>
          </li>
        ))}
      </ul>
      {difference && <Difference difference={difference} />}
    </Section>
  );
}

function Difference(props: { difference: IDifference }): JSX.Element {
  const { trans } = useLepton();
  const { difference } = props;
  const lines = difference.arrays.map(row => {
    const parts = [
      row.samples_changed ? trans.__('%1 changed', count(row.samples_changed)) : '',
      row.samples_added ? trans.__('%1 added', count(row.samples_added)) : '',
      row.samples_removed ? trans.__('%1 removed', count(row.samples_removed)) : '',
      row.change === 'stored' ? trans.__('the same values, stored otherwise') : ''
    ].filter(Boolean);
    const first = row.first.length
      ? ` (${row.first.slice(0, 5).join(', ')}${row.first.length > 5 ? ' …' : ''})`
      : '';
    return `${row.array}: ${parts.join(', ')}${first}`;
  });
  for (const one of difference.attributes) {
    lines.push(
      `${one.path || trans.__('attributes')}: ${[...one.added, ...one.removed, ...one.changed].join(', ')}`
    );
  }
  return (
    <div className="lp-Difference" role="status">
      <b>{trans.__('Since %1', difference.old)}</b>
      {difference.same || !lines.length ? (
        <p className="lp-Fine">{trans.__('Nothing has changed.')}</p>
      ) : (
        <ul className="lp-Plain">
          {lines.map(line => (
            <li key={line}>{line}</li>
          ))}
        </ul>
      )}
    </div>
  );
}
