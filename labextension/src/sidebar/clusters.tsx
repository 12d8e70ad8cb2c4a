import * as React from 'react';
import { Form } from '../components/form';
import { Button, IconButton } from '../components/button';
import { Confirm, Failure } from '../components/notice';
import { Empty, Section } from '../components/section';
import { Tasks } from '../components/tasks';
import { Commands } from '../commands';
import { ITrans, useLepton, useStore } from '../context';
import { bytes, duration } from '../format';
import type { ICluster } from '../types';
import { ClusterForm } from './cluster-form';
import { Granted } from './granted';
import { useRequest } from './request';
import { isSpan } from './span';
import { Workers } from './workers';

export function Clusters(): JSX.Element {
  const { lab, trans } = useLepton();
  const clusters = useStore(lab.clusters);
  const asked = useStore(lab.asked);
  const tasks = useStore(lab.tasks);
  const starting = tasks.some(task => task.kind === 'cluster start' && task.state === 'running');
  const open = asked === 'cluster';
  const workers = clusters?.reduce((sum, cluster) => sum + cluster.workers.length, 0) ?? 0;
  return (
    <Section
      id="clusters"
      title={trans.__('Clusters')}
      summary={clusters?.length ? trans._n('%1 worker', '%1 workers', workers) : undefined}
      actions={
        <IconButton
          icon="add"
          label={trans.__('New cluster')}
          aria-expanded={open}
          onClick={() => lab.asked.set(open ? null : 'cluster')}
        />
      }
    >
      <Granted />
      {open && <ClusterForm onClose={() => lab.asked.set(null)} />}
      <Tasks kind="cluster">
        {task =>
          task.kind === 'cluster start' && (
            <Button
              look="link"
              onClick={() => {
                lab.dismiss(task.id);
                lab.asked.set('cluster');
              }}
            >
              {trans.__('Change and try again')}
            </Button>
          )
        }
      </Tasks>
      {clusters?.length === 0 && !open && !starting && (
        <Empty
          text={trans.__(
            'A cluster runs your cells on all cores or GPUs of this machine, while the notebook stays free.'
          )}
        >
          <Button look="primary" icon="add" onClick={() => lab.asked.set('cluster')}>
            {trans.__('New cluster')}
          </Button>
        </Empty>
      )}
      {clusters?.map(cluster => (
        <ClusterCard key={cluster.name} cluster={cluster} />
      ))}
    </Section>
  );
}

type Asking = 'scale' | 'stop' | null;

const ClusterCard = React.memo(function ClusterCard(props: { cluster: ICluster }): JSX.Element {
  const { api, lab, trans, execute } = useLepton();
  const { cluster } = props;
  const [asking, setAsking] = React.useState<Asking>(null);
  const stop = useRequest();
  const running = cluster.state === 'running';

  const insertCode = async () => {
    const answer = await lab.attempt(api.clusterCode(cluster.name));
    if (answer) {
      execute(Commands.insertCode, { code: answer.code });
    }
  };
  return (
    <article className="lps-Card" aria-label={cluster.name} data-cluster={cluster.name}>
      <header className="lps-Card-head">
        <h4>{cluster.name}</h4>
        <span className={`lps-Tag ${running ? '' : 'lps-mod-warn'}`}>
          {running ? cluster.engine : stateText(cluster, trans)}
        </span>
        <span className="lps-Spacer" />
        <IconButton
          icon="code"
          label={trans.__('Insert code that uses %1 into the notebook', cluster.name)}
          disabled={!running}
          onClick={() => void insertCode()}
        />
        <IconButton
          icon="scale"
          label={trans.__('Change the number of workers of %1', cluster.name)}
          aria-expanded={asking === 'scale'}
          disabled={!running}
          onClick={() => setAsking(asking === 'scale' ? null : 'scale')}
        />
        <IconButton
          icon="stop"
          label={trans.__('Stop %1', cluster.name)}
          aria-expanded={asking === 'stop'}
          onClick={() => setAsking(asking === 'stop' ? null : 'stop')}
        />
      </header>
      <p className="lps-Card-about">{facts(cluster, trans)}</p>
      {asking === 'scale' && <Scale cluster={cluster} onClose={() => setAsking(null)} />}
      {asking === 'stop' && (
        <Confirm
          question={trans.__('Stop %1?', cluster.name)}
          detail={loss(cluster, lab.runs.value.runs, trans)}
          yes={stop.busy ? trans.__('Stopping…') : trans.__('Stop')}
          busy={stop.busy}
          onNo={() => setAsking(null)}
          onYes={() => void stop.send(() => api.stopCluster(cluster.name, true))}
        />
      )}
      {stop.error && <Failure message={stop.error.message} onDismiss={stop.clear} />}
      <Workers cluster={cluster} />
    </article>
  );
});

function Scale(props: { cluster: ICluster; onClose: () => void }): JSX.Element {
  const { api, trans } = useLepton();
  const { cluster, onClose } = props;
  const before = cluster.adapt?.join('..') ?? String(cluster.workers.length);
  const [workers, setWorkers] = React.useState(before);
  const wrong = !isSpan(workers) && !/^\d+$/.test(workers.trim());
  const request = useRequest();
  const forcible = request.error?.forcible ?? false;
  const send = async () => {
    const asked = isSpan(workers) ? workers.trim() : Number(workers);
    if (await request.send(() => api.scaleCluster(cluster.name, asked, forcible))) {
      onClose();
    }
  };
  return (
    <Form className="lps-Scale" onSubmit={send} onClose={onClose}>
      <label>
        {trans.__('Workers')}
        <input
          className="lps-Input"
          value={workers}
          title={trans.__('A number; 0..8: as many as runs wait for')}
          aria-invalid={wrong}
          autoFocus
          onChange={event => {
            setWorkers(event.target.value);
            request.clear();
          }}
        />
      </label>
      <Button
        type="submit"
        look={forcible ? 'danger' : 'primary'}
        disabled={request.busy || wrong || workers === before}
      >
        {request.busy
          ? trans.__('Scaling…')
          : forcible
            ? trans.__('Scale all the same')
            : trans.__('Scale')}
      </Button>
      <Button onClick={onClose}>{trans.__('Cancel')}</Button>
      {request.error && <Failure message={request.error.message} />}
    </Form>
  );
}

function facts(cluster: ICluster, trans: ITrans): string {
  const { workers } = cluster;
  const words: string[] = [];
  if (workers.length) {
    const [{ threads, memory }] = workers;
    words.push(
      memory
        ? trans._n('%1 thread, %2 each', '%1 threads, %2 each', threads, bytes(memory))
        : trans._n('%1 thread each', '%1 threads each', threads)
    );
  } else {
    words.push(cluster.adapt ? trans.__('no worker now') : trans.__('no worker yet'));
  }
  const coming = (cluster.wanted ?? 0) - workers.length;
  if (coming > 0) {
    words.push(trans._n('%1 more to come', '%1 more to come', coming));
  }
  if (cluster.adapt) {
    words.push(trans.__('%1 to %2 as runs need', cluster.adapt[0], cluster.adapt[1]));
  }
  words.push(trans.__('idle stop %1', duration(cluster.idle_timeout)));
  return words.join(' · ');
}

function stateText(cluster: ICluster, trans: ITrans): string {
  switch (cluster.state) {
    case 'starting':
      return trans.__('starting');
    case 'stale':
      return trans.__('asked, no answer yet');
    default:
      return trans.__('does not answer');
  }
}

/** What is lost with a cluster: the runs that are on it or wait for it. */
function loss(
  cluster: ICluster,
  runs: readonly { id: string; state: string; cluster: string }[],
  trans: ITrans
): string {
  const of = (state: string) =>
    runs.filter(run => run.cluster === cluster.name && run.state === state).map(run => run.id);
  const [running, queued] = [of('running'), of('queued')];
  const sentences: string[] = [];
  if (running.length) {
    sentences.push(
      trans._n(
        '%2 is running and would be ended.',
        '%1 runs are running and would be ended: %2.',
        running.length,
        some(running)
      )
    );
  }
  if (queued.length) {
    sentences.push(
      trans._n(
        '%2 waits for it and would be lost.',
        '%1 runs wait for it and would be lost: %2.',
        queued.length,
        some(queued)
      )
    );
  }
  return sentences.length
    ? sentences.join(' ')
    : trans.__('Nothing is running on it. Records of its runs are kept.');
}

function some(ids: string[]): string {
  return ids.length > 6 ? `${ids.slice(0, 5).join(', ')} …` : ids.join(', ');
}
