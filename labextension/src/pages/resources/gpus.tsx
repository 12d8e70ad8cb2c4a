/** The GPUs of this machine: a table, and below it their courses, one over the other. */
import * as React from 'react';
import { curveColour } from '../../charts/colours';
import { useLepton } from '../../context';
import { bytes, tick } from '../../format';
import { Empty, Section } from '../parts';
import { IPart, ILine, Chart } from './chart';
import { GpuTable } from './gputable';

export function Gpus({ resources, shown }: IPart): JSX.Element {
  const { trans } = useLepton();
  const gpus = resources.latest?.host.gpus ?? [];
  const title = trans.__('GPUs');
  if (!gpus.length) {
    return (
      <Section title={title}>
        <Empty>
          {resources.message ??
            trans.__('No GPU: this machine has none that NVML sees. Runs use the CPU.')}
        </Empty>
      </Section>
    );
  }
  const lines = (what: string): ILine[] =>
    gpus.map(gpu => ({
      series: `gpu.${gpu.index}.${what}`,
      label: gpus.length === 1 ? '' : String(gpu.index),
      colour: curveColour(gpu.index)
    }));
  return (
    <Section title={title} note={trans._n('%1 device', '%1 devices', gpus.length)}>
      <GpuTable gpus={gpus} />
      {resources.message && <p className="lp-Advice">{resources.message}</p>}
      <div className="lp-Charts lp-mod-four lp-Gpus">
        <Chart
          title={trans.__('Use')}
          note=""
          lines={lines('use')}
          resources={resources}
          shown={shown}
          format={v => `${tick(Math.round(v))} %`}
          yRange={[0, 100]}
          fill={gpus.length === 1}
        />
        <Chart
          title={trans.__('Memory')}
          note=""
          lines={lines('memory')}
          resources={resources}
          shown={shown}
          format={bytes}
          yRange={[0, Math.max(...gpus.map(gpu => gpu.memory[1]))]}
          fill={gpus.length === 1}
        />
        {gpus.some(gpu => gpu.power !== null) && (
          <Chart
            title={trans.__('Power')}
            note=""
            lines={lines('power')}
            resources={resources}
            shown={shown}
            format={v => `${tick(Math.round(v))} W`}
            yRange={[0, Math.max(...gpus.map(gpu => gpu.power_limit ?? 0)) || null]}
          />
        )}
        {gpus.some(gpu => gpu.temperature !== null) && (
          <Chart
            title={trans.__('Temperature')}
            note=""
            lines={lines('temperature')}
            resources={resources}
            shown={shown}
            format={v => `${tick(Math.round(v))} °C`}
            yRange={[20, 90]}
          />
        )}
      </div>
    </Section>
  );
}
