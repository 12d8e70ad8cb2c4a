/** The head of a run's page: what it is, how far it is, what can be done with it. */
import * as React from 'react';
import { useVisible } from '../../charts/visible';
import { Commands } from '../../commands';
import { useLepton } from '../../context';
import { count, duration, moment, percent } from '../../format';
import type { IRun } from '../../types';
import { Copy, elapsed, Fact, HeadFacts, Fault, shareDone, StateMark, useClock } from '../parts';
import { useSurroundings } from '../surroundings';
import { RunFeed } from './feed';

export function Head(props: { run: IRun; feed: RunFeed }): JSX.Element {
  const { run, feed } = props;
  const { api, trans, execute } = useLepton();
  const { confirm, link } = useSurroundings();
  const [busy, setBusy] = React.useState(false);
  const [fault, setFault] = React.useState<string | null>(null);
  const active = run.state === 'running' || run.state === 'queued';
  const now = useClock(useVisible() && active);
  const share = shareDone(run);
  const act = async (work: () => Promise<void>) => {
    setBusy(true);
    setFault(null);
    try {
      await work();
    } catch (error) {
      setFault((error as Error).message);
    }
    setBusy(false);
  };
  const cancel = () =>
    act(async () => {
      const sure = await confirm(
        trans.__('Cancel %1?', run.id),
        trans.__(
          'It is interrupted, and killed when it does not end in time. What it printed stays.'
        ),
        trans.__('Cancel run')
      );
      if (sure) {
        feed.takeRun(await api.cancelRun(run.id));
      }
    });
  const rerun = () =>
    act(async () => {
      const again = await api.rerun(run.id);
      execute(Commands.openRun, { id: again.id });
    });
  const { epoch, epochs, batch, batches } = run.progress ?? {};
  const steps = [
    epoch ? (epochs ? trans.__('epoch %1 of %2', epoch, epochs) : trans.__('epoch %1', epoch)) : '',
    active && batch
      ? batches
        ? trans.__('batch %1 of %2', count(batch), count(batches))
        : trans.__('batch %1', count(batch))
      : ''
  ].filter(Boolean);
  const took = elapsed(run, now);
  const facts: Fact[] = [
    [trans.__('Cluster'), run.cluster],
    [trans.__('Worker'), run.worker ? workerName(run.worker) : '–'],
    [trans.__('Devices'), run.devices.join(', ') || '–'],
    [trans.__('Submitted'), moment(run.submitted)],
    [run.ended ? trans.__('Took') : trans.__('Running for'), took === null ? '–' : duration(took)]
  ];
  if (run.replicas.length > 1) {
    const ranks = run.replicas.map(one =>
      trans.__('%1 on %2 (%3)', one.rank, workerName(one.worker), one.state)
    );
    facts.push([trans.__('Replicas'), ranks.join(', ')]);
  }
  if (run.attempt > 1) {
    facts.push([trans.__('Attempt'), String(run.attempt)]);
  }
  return (
    <header className="lp-Head">
      <div className="lp-Head-row">
        <h1>
          {run.id}
          {run.name && <span className="lp-Head-name">{run.name}</span>}
        </h1>
        <StateMark state={run.state} pruned={run.pruned} />
        {run.state === 'queued' && run.place && (
          <span className="lp-Dim">{trans.__('place %1 in the queue', run.place)}</span>
        )}
        {run.sweep && (
          <button
            className="lp-Link"
            onClick={() => execute(Commands.openComparison, { ids: [run.sweep] })}
          >
            {trans.__('sweep %1', run.sweep)}
          </button>
        )}
        <div className="lp-Head-actions">
          {active && (
            <button className="lp-Action lp-mod-danger" disabled={busy} onClick={cancel}>
              {trans.__('Cancel')}
            </button>
          )}
          <button className="lp-Action" disabled={busy} onClick={rerun}>
            {trans.__('Run again')}
          </button>
          {run.notebook && (
            <button
              className="lp-Action"
              onClick={() => execute(Commands.openNotebook, { path: run.notebook, cell: run.cell })}
            >
              {trans.__('Show cell')}
            </button>
          )}
          <Copy label={trans.__('Copy link')} text={() => link(`run:${run.id}`)} />
        </div>
      </div>
      {fault && <Fault message={fault} />}
      {active && share !== null && (
        <div className="lp-Progress">
          <progress max={1} value={share} aria-label={trans.__('Progress')} />
          <b>{percent(share)}</b>
          <span className="lp-Dim">{steps.join(' · ')}</span>
        </div>
      )}
      <HeadFacts facts={facts} />
    </header>
  );
}

/** A worker by the end of its name: clusters call it by an address. */
function workerName(worker: string): string {
  return worker.replace(/^.*\/\//, '');
}
