/** The page of one run: what it is doing or did, from its first line to its last figure. */
import * as React from 'react';
import { Commands } from '../commands';
import { PartsBar } from '../charts/bars';
import { useVisible } from '../charts/visible';
import { useLepton } from '../context';
import type { IRun } from '../types';
import { Code } from './code';
import { Cost } from './cost';
import { Curves } from './curves';
import { contents, Output } from './output';
import {
  Copy,
  elapsed,
  Empty,
  Fact,
  Facts,
  Fault,
  Fold,
  Section,
  shareDone,
  StateMark,
  useClock
} from './parts';
import { Phases } from './phases';
import { RunFeed } from './runfeed';
import { RunResources } from './runresources';
import { useSurroundings } from './surroundings';
import { Terminal } from './terminal';
import { bytes, count, duration, moment, number, percent } from '../format';

export function RunPage(props: {
  id: string;
  /** Told what the run is called, as soon as that is known. */
  onName?: (name: string | null) => void;
}): JSX.Element {
  const { api, lab, trans } = useLepton();
  const feed = React.useMemo(() => new RunFeed(props.id, api, lab.stream), [props.id]);
  React.useEffect(() => feed.start(), [feed]);
  useFeed(feed);
  const { run } = feed;
  React.useEffect(() => props.onName?.(run?.name ?? null), [run?.name]);
  if (!run) {
    return (
      <div className="lp-Page-body">
        {feed.loading === 'failed' ? (
          <Fault message={feed.fault ?? ''} retry={() => feed.reload()} />
        ) : (
          <Empty>{trans.__('Loading %1…', props.id)}</Empty>
        )}
      </div>
    );
  }
  const running = run.state === 'running' || run.state === 'queued';
  return (
    <div className="lp-Page-body">
      <Head run={run} feed={feed} />
      {feed.fault && <Fault message={feed.fault} retry={() => feed.reload()} />}
      {run.error && <ErrorBlock run={run} />}
      <div className="lp-Columns">
        <div className="lp-Columns-main">
          <Curves
            steps={feed.steps}
            revision={feed.revision.steps}
            running={running}
            epochs={typeof run.progress?.epoch === 'number'}
          />
          <Output
            transcript={feed.transcript}
            revision={feed.revision.output}
            replaying={feed.replaying}
            running={running}
            withoutTraceback={!!run.error}
          />
          <Fold
            title={trans.__('Code')}
            note={trans._n('%1 line', '%1 lines', run.code.trimEnd().split('\n').length)}
            open
          >
            <Code source={run.code.replace(/\n+$/, '')} label={trans.__('The cell’s source')} />
          </Fold>
        </div>
        <div className="lp-Columns-side">
          <Values run={run} />
          <Phases run={run} />
          <Streams run={run} />
          <Cost run={run} />
          <RunResources run={run} />
          <Artifacts run={run} />
          <Environment run={run} />
        </div>
      </div>
    </div>
  );
}

/** Draw again when the feed has changed; while nobody looks, once when somebody does again. */
function useFeed(feed: RunFeed): void {
  const visible = useVisible();
  const [, setRevision] = React.useState(0);
  React.useEffect(() => {
    if (!visible) {
      return;
    }
    const again = () => setRevision(n => n + 1);
    again();
    return feed.subscribe(again);
  }, [feed, visible]);
}

function Head(props: { run: IRun; feed: RunFeed }): JSX.Element {
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
      <dl className="lp-HeadFacts">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </header>
  );
}

/** A worker by the end of its name: clusters call it by an address. */
function workerName(worker: string): string {
  return worker.replace(/^.*\/\//, '');
}

function ErrorBlock(props: { run: IRun }): JSX.Element {
  const { trans } = useLepton();
  const error = props.run.error as { kind: string; message: string; traceback?: string[] };
  const kinds: Record<string, string> = {
    exception: trans.__('An exception ended it'),
    signal: trans.__('A signal killed it'),
    exit: trans.__('Its process ended'),
    memory: trans.__('It ran out of memory'),
    timeout: trans.__('It took longer than its limit'),
    stall: trans.__('It showed no sign of life'),
    'worker-lost': trans.__('Its worker was lost'),
    budget: trans.__('Its budget was spent')
  };
  const lines = React.useMemo(() => {
    const terminal = new Terminal();
    terminal.feed(traceback(error.traceback));
    return terminal.lines;
  }, [error]);
  const text = lines.map(line =>
    typeof line === 'string' ? line : line.map(s => s.text).join('')
  );
  return (
    <section className="lp-Error" aria-label={trans.__('Error')} role="alert">
      <header className="lp-Block-head">
        <h2>{kinds[error.kind] ?? error.kind}</h2>
        <div className="lp-Block-actions">
          <Copy label={trans.__('Copy')} text={() => [error.message, ...text].join('\n').trim()} />
        </div>
      </header>
      <p className="lp-Error-message">{error.message}</p>
      {text.some(line => line) && (
        <pre className="lp-Error-trace" tabIndex={0} aria-label={trans.__('Traceback')}>
          {lines.map((line, i) => (
            <div key={i}>{contents(line, '') || ' '}</div>
          ))}
        </pre>
      )}
    </section>
  );
}

function traceback(value: string[] | string | undefined): string {
  return (Array.isArray(value) ? value.join('\n') : (value ?? '')).replace(/\n+$/, '');
}

function Values(props: { run: IRun }): JSX.Element | null {
  const { trans } = useLepton();
  const { params, metrics } = props.run;
  const parameters = Object.entries(params).map(([k, v]): Fact => [k, number(v)]);
  const last = Object.entries(metrics).map(([k, v]): Fact => [k, number(v)]);
  if (!parameters.length && !last.length) {
    return null;
  }
  return (
    <>
      {parameters.length > 0 && (
        <Section title={trans.__('Parameters')}>
          <Facts facts={parameters} />
        </Section>
      )}
      {last.length > 0 && (
        <Section title={trans.__('Last values')}>
          <Facts facts={last} />
        </Section>
      )}
    </>
  );
}

interface IStream {
  dataset: string;
  stream: number;
  epoch: number;
  samples: number;
  seconds: number;
  waited: number;
  waited_share: number;
  first_batch: number;
  samples_per_second: number;
  decoded_mb_per_second: number;
  read: number;
  decode: number;
  gather: number;
  advice: string | null;
}

function Streams(props: { run: IRun }): JSX.Element | null {
  const { trans } = useLepton();
  const streams = (props.run.streams ?? []) as IStream[];
  if (!streams.length) {
    return null;
  }
  return (
    <Section title={trans.__('How its data came')}>
      {streams.map(s => (
        <div key={s.stream} className="lp-Stream">
          <Facts
            facts={[
              [trans.__('Dataset'), s.dataset],
              [trans.__('Samples'), `${count(s.samples)} · ${count(s.samples_per_second)}/s`],
              [trans.__('Decoded'), `${count(s.decoded_mb_per_second)} MB/s`],
              [trans.__('First batch'), duration(s.first_batch)],
              [
                trans.__('Training waited'),
                `${percent(s.waited_share, 1)} · ${duration(s.waited)} ${trans.__('of')} ${duration(s.seconds)}`
              ]
            ]}
          />
          <PartsBar
            label={trans.__('Where the readers’ time went')}
            parts={[
              ['read', trans.__('read'), s.read, '#7468d9'],
              ['decode', trans.__('decode'), s.decode, '#2b87d1'],
              ['gather', trans.__('gather'), s.gather, '#1f93a8']
            ].map(([key, label, value, colour]) => ({
              key: key as string,
              label: label as string,
              value: value as number,
              text: percent(value as number),
              colour: colour as string
            }))}
          />
          {s.advice && <p className="lp-Advice">{s.advice}</p>}
        </div>
      ))}
    </Section>
  );
}

/** What was brought back, with how to get it; the other files of its folder below. */
function Artifacts(props: { run: IRun }): JSX.Element | null {
  const { trans } = useLepton();
  const { run } = props;
  const files = run.artifacts ?? [];
  const fileOf = (name: string) =>
    files.find(file => file.name.replace(/^values\//, '').replace(/\.[^.]*$/, '') === name);
  const rest = files.filter(file => !file.name.startsWith('values/'));
  return (
    <>
      {run.values.length > 0 && (
        <Section title={trans.__('Values brought back')} note={String(run.values.length)}>
          <ul className="lp-Values">
            {run.values.map(name => {
              const code = `lepton.run("${run.id}").values["${name}"]`;
              return (
                <li key={name}>
                  <div>
                    <b title={name}>{name}</b>
                    <span className="lp-Dim">{bytes(fileOf(name)?.bytes)}</span>
                    <Copy label={trans.__('Copy code')} text={() => code} />
                  </div>
                  <code>{code}</code>
                </li>
              );
            })}
          </ul>
        </Section>
      )}
      {rest.length > 0 && (
        <Fold
          title={trans.__('Files')}
          note={bytes(rest.reduce((sum, file) => sum + file.bytes, 0))}
        >
          <Facts facts={rest.map((file): Fact => [file.name, bytes(file.bytes)])} />
          {run.folder && <p className="lp-Dim lp-Path">{run.folder}</p>}
        </Fold>
      )}
    </>
  );
}

function Environment(props: { run: IRun }): JSX.Element | null {
  const { trans } = useLepton();
  const { run } = props;
  const facts: Fact[] = Object.entries(run.environment ?? {}).map(([k, v]) => [k, number(v)]);
  const options = Object.entries(run.options ?? {}).filter(
    ([name, v]) => name !== 'payloads' && v !== null && v !== 0 && !(Array.isArray(v) && !v.length)
  );
  const brought = (run.brought ?? []) as string[];
  return (
    <>
      {brought.length > 0 && (
        <Fold title={trans.__('Brought along')} note={String(brought.length)}>
          <ul className="lp-Plain">
            {brought.map(text => (
              <li key={text}>{text}</li>
            ))}
          </ul>
        </Fold>
      )}
      {options.length > 0 && (
        <Fold title={trans.__('Options')} note={String(options.length)}>
          <Facts
            facts={options.map(([k, v]): Fact => [k, Array.isArray(v) ? v.join(', ') : number(v)])}
          />
        </Fold>
      )}
      {facts.length > 0 && (
        <Fold title={trans.__('Environment')} note={String(run.environment?.host ?? '')}>
          <Facts facts={facts} />
        </Fold>
      )}
    </>
  );
}
