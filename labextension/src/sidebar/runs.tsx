import * as React from 'react';
import { Button, IconButton } from '../components/button';
import { Empty, Section } from '../components/section';
import { Sparkline } from '../charts/sparkline';
import { StateBadge, STATES, stateWord } from '../components/state';
import { useClock } from '../components/ticker';
import { VirtualList } from '../components/virtual';
import { Commands } from '../commands';
import { useLepton, useStore } from '../context';
import { clock, metric } from '../format';
import { about, headline, isActive, matches, seconds, shareDone, title } from '../run';
import type { IRunSummary } from '../types';

const ROW = 46; // px

const FIRST_CELL = '%%lepton run\n# whatever is in this cell runs on the cluster\nprint("hello")';

export function Runs(): JSX.Element {
  const { lab, trans, execute } = useLepton();
  const { runs, counts, known } = useStore(lab.runs);
  const [state, setState] = React.useState('');
  const [words, setWords] = React.useState('');
  const [chosen, setChosen] = React.useState<ReadonlySet<string>>(new Set());
  const found = useFound(state, words);

  const shown = React.useMemo(() => {
    if (!state && !words) {
      return liveFirst(runs);
    }
    const byId = new Map([...found, ...runs].map(run => [run.id, run]));
    return [...byId.values()]
      .filter(run => matches(run, state, words))
      .sort((a, b) => Number(b.id.slice(1)) - Number(a.id.slice(1)));
  }, [runs, found, state, words]);

  const choose = React.useCallback((id: string) => {
    setChosen(before => {
      const after = new Set(before);
      return after.delete(id) ? after : after.add(id);
    });
  }, []);

  const active = (counts.running ?? 0) + (counts.queued ?? 0);
  const total = Object.values(counts).reduce((sum, n) => sum + n, 0);
  const more = useMore(total);
  return (
    <Section
      id="runs"
      title={trans.__('Runs')}
      summary={
        active
          ? [
              counts.running && trans.__('%1 running', counts.running),
              counts.queued && trans.__('%1 queued', counts.queued)
            ]
              .filter(Boolean)
              .join(', ')
          : total || undefined
      }
    >
      {known && !total && !runs.length && (
        <Empty
          text={trans.__(
            'A run is a cell that executes on the cluster, with its output, metrics and results kept. Put %1 at the top of a cell.',
            '%%lepton run'
          )}
        >
          <Button
            icon="code"
            onClick={() => execute(Commands.insertCode, { code: FIRST_CELL, load: true })}
          >
            {trans.__('Insert a first run')}
          </Button>
        </Empty>
      )}
      {(total > 0 || runs.length > 0) && (
        <div className="lps-Filter" role="search">
          <input
            className="lps-Input"
            type="search"
            placeholder={trans.__('Search runs')}
            aria-label={trans.__('Search runs')}
            value={words}
            onChange={event => setWords(event.target.value)}
          />
          <select
            className="lps-Input"
            aria-label={trans.__('State')}
            value={state}
            onChange={event => setState(event.target.value)}
          >
            <option value="">{trans.__('all %1', total)}</option>
            {STATES.map(name => (
              <option key={name} value={name} disabled={!counts[name]}>
                {`${stateWord(name, trans)} ${counts[name] ?? 0}`}
              </option>
            ))}
          </select>
        </div>
      )}
      {chosen.size > 0 && (
        <div className="lps-Selection" role="status">
          <span>{trans._n('%1 selected', '%1 selected', chosen.size)}</span>
          <Button look="link" onClick={() => setChosen(new Set())}>
            {trans.__('Clear')}
          </Button>
          <Button
            look="primary"
            icon="compare"
            disabled={chosen.size < 2}
            onClick={() => execute(Commands.openComparison, { ids: [...chosen] })}
          >
            {trans.__('Compare')}
          </Button>
        </div>
      )}
      {total > 0 && !shown.length && (
        <p className="lps-None">
          {trans.__('No run fits.')}{' '}
          <Button
            look="link"
            onClick={() => {
              setWords('');
              setState('');
            }}
          >
            {trans.__('Show all')}
          </Button>
        </p>
      )}
      <div className="lps-Scroller" data-scroller>
        <VirtualList
          items={shown}
          rowHeight={ROW}
          itemKey={run => run.id}
          label={trans.__('Runs')}
          onEnd={!state && !words ? more : undefined}
        >
          {run => <RunRow run={run} chosen={chosen.has(run.id)} choose={choose} />}
        </VirtualList>
      </div>
    </Section>
  );
}

const RunRow = React.memo(function RunRow(props: {
  run: IRunSummary;
  chosen: boolean;
  choose: (id: string) => void;
}): JSX.Element {
  const { api, lab, trans, execute } = useLepton();
  const { run, chosen, choose } = props;
  const [busy, setBusy] = React.useState(false);
  const time = useClock(run.state === 'running' ? now => clock(seconds(run, now) ?? 0) : null);
  const lasted = seconds(run, 0);
  const share = run.state === 'running' ? shareDone(run) : null;
  const value = headline(run);
  const cell = run.notebook && !/\.py$/.test(run.notebook);

  const act = async (request: () => Promise<unknown>) => {
    setBusy(true);
    await lab.attempt(request());
    setBusy(false);
  };
  return (
    <div
      className={`lps-Run lps-mod-${run.state} ${chosen ? 'lps-mod-chosen' : ''}`}
      data-run={run.id}
      onKeyDown={moveFocus}
    >
      <label className="lps-Run-choice" title={trans.__('Select %1', run.id)}>
        <input
          type="checkbox"
          checked={chosen}
          aria-label={trans.__('Select %1', run.id)}
          onChange={() => choose(run.id)}
        />
        <StateBadge state={run.state} />
      </label>
      <button
        type="button"
        className="lps-Run-open"
        title={run.error?.message ?? trans.__('Open %1', run.id)}
        onClick={event =>
          event.ctrlKey || event.metaKey
            ? choose(run.id)
            : execute(Commands.openRun, { id: run.id })
        }
      >
        <span className="lps-Run-title">
          <span className="lps-Run-id">{run.id}</span>
          {title(run)}
        </span>
        <span className="lps-Run-about">{about(run, trans)}</span>
      </button>
      <span className="lps-Run-figures">
        <span className="lps-Run-metric" title={value?.[0]}>
          {value && metric(value[1])}
        </span>
        <span className="lps-Run-time">
          {run.spark.length > 1 && (
            <Sparkline
              width={48}
              height={16}
              values={run.spark}
              label={trans.__('%1 over the steps of %2', run.spark_metric ?? '', run.id)}
            />
          )}
          {run.state === 'running' ? (
            <span ref={time} />
          ) : (
            <span>{lasted === null ? '' : clock(lasted)}</span>
          )}
        </span>
      </span>
      <span className="lps-Run-actions">
        {run.sweep && (
          <IconButton
            icon="compare"
            label={trans.__('Compare the runs of %1', run.sweep)}
            onClick={() => execute(Commands.openComparison, { ids: [run.sweep] })}
          />
        )}
        {cell && (
          <IconButton
            icon="jump"
            label={trans.__('Go to the cell that started %1', run.id)}
            onClick={() => execute(Commands.openNotebook, { path: run.notebook, cell: run.cell })}
          />
        )}
        {isActive(run) ? (
          <IconButton
            icon="stop"
            label={trans.__('Cancel %1', run.id)}
            disabled={busy}
            onClick={() => void act(() => api.cancelRun(run.id))}
          />
        ) : (
          <IconButton
            icon="rerun"
            label={trans.__('Run %1 again', run.id)}
            disabled={busy}
            onClick={() => void act(() => api.rerun(run.id))}
          />
        )}
      </span>
      {share !== null && (
        <span className="lps-Run-progress" aria-hidden="true">
          <span style={{ transform: `scaleX(${share.toFixed(3)})` }} />
        </span>
      )}
    </div>
  );
});

/** What runs, what waits in the order of its turn, then the rest, newest first as it comes. */
function liveFirst(runs: readonly IRunSummary[]): readonly IRunSummary[] {
  const of = (state: string) => runs.filter(run => run.state === state);
  return [...of('running'), ...of('queued').reverse(), ...runs.filter(run => !isActive(run))];
}

/** Arrow keys go from run to run. */
function moveFocus(event: React.KeyboardEvent<HTMLElement>): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step === undefined) {
    return;
  }
  const item = event.currentTarget.closest('li');
  const next = step > 0 ? item?.nextElementSibling : item?.previousElementSibling;
  const target = next?.querySelector<HTMLElement>('.lps-Run-open');
  if (target) {
    event.preventDefault();
    target.focus({ preventScroll: false });
  }
}

/** Runs that the server finds; the page itself knows only the newest. */
function useFound(state: string, words: string): readonly IRunSummary[] {
  const { api, lab } = useLepton();
  const [found, setFound] = React.useState<readonly IRunSummary[]>([]);
  React.useEffect(() => {
    if (!state && !words.trim()) {
      setFound([]);
      return;
    }
    let current = true;
    const timer = setTimeout(() => {
      void lab.attempt(api.runs({ state, query: words.trim(), limit: 200 })).then(answer => {
        if (current && answer) {
          setFound(answer.runs);
        }
      });
    }, 200);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [api, lab, state, words]);
  return found;
}

/** Fetches older runs, one request at a time, while there are any. */
function useMore(total: number): () => void {
  const { lab } = useLepton();
  const asking = React.useRef(false);
  return React.useCallback(() => {
    if (asking.current || lab.runs.value.runs.length >= total) {
      return;
    }
    asking.current = true;
    void lab.attempt(lab.moreRuns()).finally(() => {
      asking.current = false;
    });
  }, [lab, total]);
}
