import * as React from 'react';
import { Button } from '../components/button';
import { VirtualList } from '../components/virtual';
import { Commands } from '../commands';
import { useLepton } from '../context';
import { bytes, points } from '../format';
import type { ICluster, IWorker } from '../types';

const FEW = 8;
const SHOWN = 2; // runs of a worker
const ROW = 26; // px, as --lp-row in the style sheet

/** The workers of a cluster, each with what it does now. */
export function Workers(props: { cluster: ICluster }): JSX.Element {
  const { trans } = useLepton();
  const { name, workers } = props.cluster;
  const [all, setAll] = React.useState(false);
  const shown = all || workers.length <= FEW + 1 ? workers : workers.slice(0, FEW);
  return (
    <>
      <div className="lps-Scroller" data-scroller>
        <VirtualList
          items={shown}
          rowHeight={ROW}
          itemKey={worker => worker.id}
          label={trans.__('Workers of %1', name)}
        >
          {worker => <WorkerRow cluster={name} worker={worker} />}
        </VirtualList>
      </div>
      {workers.length > FEW + 1 && (
        <Button look="link" onClick={() => setAll(!all)}>
          {all ? trans.__('Show fewer') : trans.__('Show all %1 workers', workers.length)}
        </Button>
      )}
    </>
  );
}

const WorkerRow = React.memo(
  function WorkerRow(props: { cluster: string; worker: IWorker }): JSX.Element {
    const { lab, trans, execute } = useLepton();
    const { cluster, worker } = props;
    const row = React.useRef<HTMLDivElement>(null);
    React.useEffect(() => {
      const write = () => {
        const now = lab.resources.latest?.workers[`${cluster}/${worker.id}`];
        if (row.current && now && !document.hidden) {
          meter(row.current, 'cpu', points(now.cpu), now.cpu / 100 / Math.max(1, worker.threads));
          const [used, limit] = now.memory;
          meter(row.current, 'memory', bytes(used), limit ? used / limit : 0);
        }
      };
      write();
      lab.resources.changed.connect(write);
      return () => {
        lab.resources.changed.disconnect(write);
      };
    }, [lab, cluster, worker.id, worker.threads]);
    const device = worker.devices.join(', ');
    const shared = worker.slots > 1 || worker.runs.length > 1;
    return (
      <div ref={row} className={`lps-Worker ${shared ? 'lps-mod-shared' : ''}`}>
        <span className="lps-Worker-name" title={trans.__('%1 on %2', worker.id, worker.host)}>
          {worker.id}
        </span>
        <span className="lps-Worker-device" title={device}>
          {device
            .replace('gpu:', 'GPU ')
            .replace('cpu', 'CPU')
            .replace(/-[0-9a-f].*/, '')}
        </span>
        <Gauge kind="cpu" label={trans.__('CPU')} />
        <Gauge kind="memory" label={trans.__('Memory')} />
        <span className="lps-Worker-runs">
          {worker.runs.slice(0, SHOWN).map(run => (
            <button
              key={run}
              type="button"
              className="lps-Link"
              title={trans.__('Open %1', run)}
              onClick={() => execute(Commands.openRun, { id: run })}
            >
              {run}
            </button>
          ))}
          {worker.runs.length > SHOWN && (
            <span title={worker.runs.slice(SHOWN).join(', ')}>+{worker.runs.length - SHOWN}</span>
          )}
          {worker.fault ? (
            <span className="lps-Worker-lost" title={worker.fault}>
              {trans.__('lost')}
            </span>
          ) : (
            !worker.runs.length && <span className="lps-Worker-free">{trans.__('free')}</span>
          )}
        </span>
      </div>
    );
  },
  (before, after) =>
    before.cluster === after.cluster &&
    before.worker.id === after.worker.id &&
    before.worker.fault === after.worker.fault &&
    before.worker.slots === after.worker.slots &&
    before.worker.runs.join() === after.worker.runs.join()
);

function Gauge(props: { kind: string; label: string }): JSX.Element {
  return (
    <span className="lps-Gauge" data-gauge={props.kind} title={props.label}>
      <span className="lps-Hidden">{props.label}</span>
      <span className="lps-Gauge-text">–</span>
      <span className="lps-Gauge-bar" aria-hidden="true">
        <span />
      </span>
    </span>
  );
}

function meter(row: HTMLElement, kind: string, text: string, share: number): void {
  const gauge = row.querySelector(`[data-gauge=${kind}]`)!;
  const words = gauge.querySelector('.lps-Gauge-text')!;
  if (words.textContent !== text) {
    words.textContent = text;
  }
  const bar = gauge.querySelector<HTMLElement>('.lps-Gauge-bar > span')!;
  bar.style.transform = `scaleX(${Math.min(1, Math.max(0, share)).toFixed(3)})`;
}
