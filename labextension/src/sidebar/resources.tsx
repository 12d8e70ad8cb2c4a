import * as React from 'react';
import { Button, IconButton } from '../components/button';
import { Segments } from '../components/field';
import { LiveChart } from '../components/live-chart';
import { Section } from '../components/section';
import { Silence } from '../components/silence';
import { Commands } from '../commands';
import { useLepton, useMemory, useStore } from '../context';
import { bytes, points, roughRate } from '../format';
import type { ResourceHistory } from '../history';
import { Links } from './links';

type Of = 'machine' | 'workers' | 'runs';

export function Resources(): JSX.Element {
  const { lab, trans, memory, execute } = useLepton();
  const settings = useStore(lab.settings);
  const [minutes, setMinutes] = useMemory(memory, 'minutes', settings.timeRange);
  const [of, setOf] = useMemory<Of>(memory, 'resources-of', 'machine');
  return (
    <Section
      id="resources"
      title={trans.__('Resources')}
      actions={
        <IconButton
          icon="open"
          label={trans.__('Open as a page')}
          onClick={() => execute(Commands.openResources)}
        />
      }
    >
      <div className="lps-Filter">
        <Segments
          label={trans.__('Of')}
          value={of}
          onChange={setOf}
          choices={[
            { value: 'machine', label: trans.__('Machine') },
            { value: 'workers', label: trans.__('Workers') },
            { value: 'runs', label: trans.__('Runs') }
          ]}
        />
        <Segments
          label={trans.__('Minutes')}
          value={minutes}
          onChange={setMinutes}
          choices={[1, 5, 15, 60].map(value => ({
            value,
            label: String(value),
            title: trans._n('The last minute', 'The last %1 minutes', value)
          }))}
        />
        <span className="lps-Muted">{trans.__('min')}</span>
      </div>
      <Silence className="lps-Muted" />
      {of === 'machine' && <Machine minutes={minutes} />}
      {of === 'workers' && <LinkMap />}
      {of === 'workers' && (
        <Many
          minutes={minutes}
          kind="worker"
          nothing={trans.__(
            'No worker is running. Each worker of a cluster shows here what it uses.'
          )}
        />
      )}
      {of === 'runs' && (
        <Many
          minutes={minutes}
          kind="run"
          nothing={trans.__('No run is running. Each run shows here what it uses.')}
        />
      )}
    </Section>
  );
}

/** The newest map of links. */
function LinkMap(): JSX.Element {
  const { lab } = useLepton();
  const [text] = useFacts(lab.resources, history => [JSON.stringify(history.latest?.links ?? {})]);
  return <Links links={JSON.parse(text)} />;
}

function Machine(props: { minutes: number }): JSX.Element {
  const { lab, trans } = useLepton();
  const { minutes } = props;
  const [gpus, message] = useFacts(lab.resources, history => [
    history.gpus.map(gpu => `${gpu.index} ${gpu.name}`).join('\n'),
    history.message ?? ''
  ]);
  const total = (history: ResourceHistory, name: string) =>
    last(history, name) ?? history.facts.get(name) ?? null;
  return (
    <div className="lps-Charts">
      <LiveChart
        title={trans.__('CPU')}
        minutes={minutes}
        lines={[{ series: 'host.cpu' }]}
        high={100}
        value={history => points(last(history, 'host.cpu'))}
      />
      <LiveChart
        title={trans.__('Memory')}
        minutes={minutes}
        lines={[{ series: 'host.memory' }]}
        high={history => total(history, 'host.memory_total')}
        value={history =>
          `${bytes(last(history, 'host.memory'))} / ${bytes(total(history, 'host.memory_total'))}`
        }
      />
      <LiveChart
        title={trans.__('Disk')}
        minutes={minutes}
        lines={[
          { series: 'host.disk_read', name: trans.__('read') },
          { series: 'host.disk_write', name: trans.__('write') }
        ]}
        value={history =>
          rates(history, 'host.disk_read', 'host.disk_write', trans.__('R'), trans.__('W'))
        }
      />
      <LiveChart
        title={trans.__('Network')}
        minutes={minutes}
        lines={[
          { series: 'host.network_in', name: trans.__('in') },
          { series: 'host.network_out', name: trans.__('out') }
        ]}
        value={history =>
          rates(history, 'host.network_in', 'host.network_out', trans.__('in'), trans.__('out'))
        }
      />
      {message && (
        <p className="lps-Muted" role="status">
          {message}
        </p>
      )}
      {gpus
        .split('\n')
        .filter(Boolean)
        .map(gpu => {
          const [index, ...name] = gpu.split(' ');
          const GpuView = gpus.split('\n').length > SEVERAL ? SmallGpu : Gpu;
          return <GpuView key={index} index={index} name={name.join(' ')} minutes={minutes} />;
        })}
    </div>
  );
}

function Gpu(props: { index: string; name: string; minutes: number }): JSX.Element {
  const { trans } = useLepton();
  const { index, name, minutes } = props;
  const id = `gpu.${index}`;
  const fact = (history: ResourceHistory) =>
    history.latest?.host.gpus.find(gpu => String(gpu.index) === index);
  return (
    <>
      <h4 className="lps-Charts-title">{trans.__('GPU %1 · %2', index, name)}</h4>
      <LiveChart
        title={trans.__('Use')}
        minutes={minutes}
        lines={[{ series: `${id}.use` }]}
        high={100}
        value={history => points(last(history, `${id}.use`))}
      />
      <LiveChart
        title={trans.__('Memory')}
        minutes={minutes}
        lines={[{ series: `${id}.memory` }]}
        high={history => fact(history)?.memory[1] ?? null}
        value={history =>
          `${bytes(last(history, `${id}.memory`))} / ${bytes(fact(history)?.memory[1])}`
        }
      />
      <LiveChart
        title={trans.__('Power')}
        minutes={minutes}
        lines={[{ series: `${id}.power` }]}
        high={history => fact(history)?.power_limit ?? null}
        value={history => {
          const watts = last(history, `${id}.power`);
          const limit = fact(history)?.power_limit;
          return watts === null
            ? '–'
            : `${watts.toFixed(0)}${limit ? ` / ${limit.toFixed(0)}` : ''} W`;
        }}
      />
      <LiveChart
        title={trans.__('Temperature')}
        minutes={minutes}
        lines={[{ series: `${id}.temperature` }]}
        high={100}
        value={history => {
          const degrees = last(history, `${id}.temperature`);
          return degrees === null ? '–' : `${degrees.toFixed(0)} °C`;
        }}
      />
    </>
  );
}

const SEVERAL = 2; // GPUs, from which on each has one chart

/** One of many GPUs: its use as a chart, the rest in words. */
function SmallGpu(props: { index: string; name: string; minutes: number }): JSX.Element {
  const { trans } = useLepton();
  const { index, name, minutes } = props;
  return (
    <div title={name}>
      <LiveChart
        title={trans.__('GPU %1', index)}
        minutes={minutes}
        lines={[{ series: `gpu.${index}.use` }]}
        high={100}
        value={history => {
          const [use, memory, power] = ['use', 'memory', 'power'].map(kind =>
            last(history, `gpu.${index}.${kind}`)
          );
          const watts = power === null ? '' : `${power.toFixed(0)} W`;
          return [points(use), bytes(memory), watts].filter(Boolean).join(' · ');
        }}
      />
    </div>
  );
}

const FEW = 8;

/** A small chart of CPU and of memory for each worker, or for each run. */
function Many(props: { minutes: number; kind: 'worker' | 'run'; nothing: string }): JSX.Element {
  const { lab, trans, execute } = useLepton();
  const { kind, minutes, nothing } = props;
  const [all, setAll] = React.useState(false);
  const [text] = useFacts(lab.resources, history => [
    Object.keys((kind === 'worker' ? history.latest?.workers : history.latest?.runs) ?? {}).join(
      '\n'
    )
  ]);
  const names = text.split('\n').filter(Boolean);
  if (!names.length) {
    return <p className="lps-Muted">{nothing}</p>;
  }
  return (
    <div className="lps-Charts">
      {(all ? names : names.slice(0, FEW)).map(name => (
        <div key={name} className="lps-Pair">
          {kind === 'run' ? (
            <button
              type="button"
              className="lps-Link"
              onClick={() => execute(Commands.openRun, { id: name })}
            >
              {name}
            </button>
          ) : (
            <span className="lps-Pair-name" title={name}>
              {name}
            </span>
          )}
          <LiveChart
            title={trans.__('CPU')}
            minutes={minutes}
            lines={[{ series: `${kind}.${name}.cpu` }]}
            value={history => points(last(history, `${kind}.${name}.cpu`))}
          />
          <LiveChart
            title={trans.__('Memory')}
            minutes={minutes}
            lines={[{ series: `${kind}.${name}.memory` }]}
            high={history => history.latest?.workers[name]?.memory[1] ?? null}
            value={history => bytes(last(history, `${kind}.${name}.memory`))}
          />
        </div>
      ))}
      {names.length > FEW && (
        <Button look="link" onClick={() => setAll(!all)}>
          {all ? trans.__('Show fewer') : trans.__('Show all %1', names.length)}
        </Button>
      )}
    </div>
  );
}

/** Texts of the history that seldom change; drawn again only when they do. */
function useFacts(
  history: ResourceHistory,
  pick: (history: ResourceHistory) => string[]
): string[] {
  const subscribe = React.useCallback(
    (listener: () => void) => {
      history.changed.connect(listener);
      return () => {
        history.changed.disconnect(listener);
      };
    },
    [history]
  );
  const text = React.useSyncExternalStore(subscribe, () => pick(history).join('\u0000'));
  return text.split('\u0000');
}

function last(history: ResourceHistory, name: string): number | null {
  const values = history.series.get(name);
  return values?.length ? values[values.length - 1] : null;
}

function rates(
  history: ResourceHistory,
  first: string,
  second: string,
  ...[one, two]: string[]
): string {
  return `${one} ${roughRate(last(history, first))} · ${two} ${roughRate(last(history, second))}`;
}
