/** What this machine does: processor, memory, disk, network. */
import * as React from 'react';
import { curveColour } from '../../charts/colours';
import { useLepton } from '../../context';
import { bytes, percent, tick } from '../../format';
import { Section } from '../parts';
import { IPart, Chart } from './chart';

export function Machine({ resources, shown }: IPart): JSX.Element {
  const { trans } = useLepton();
  const host = resources.latest?.host;
  const total = host?.memory[1] ?? resources.facts.get('host.memory_total') ?? null;
  const rate = (v: number) => `${bytes(v)}/s`;
  const disk =
    host && host.disk[3]
      ? trans.__('%1 of %2 full', percent(host.disk[2] / host.disk[3]), bytes(host.disk[3]))
      : '';
  return (
    <Section title={trans.__('This machine')}>
      <div className="lp-Charts lp-mod-four">
        <Chart
          title={trans.__('CPU')}
          note={trans.__('of all cores')}
          lines={[{ series: 'host.cpu', label: '', colour: curveColour(0) }]}
          resources={resources}
          shown={shown}
          format={v => `${tick(Math.round(v))} %`}
          yRange={[0, 100]}
          fill
        />
        <Chart
          title={trans.__('Memory')}
          note={total ? trans.__('of %1', bytes(total)) : ''}
          lines={[{ series: 'host.memory', label: '', colour: curveColour(2) }]}
          resources={resources}
          shown={shown}
          format={bytes}
          yRange={[0, total]}
          fill
        />
        <Chart
          title={trans.__('Disk')}
          note={disk}
          lines={[
            { series: 'host.disk_read', label: trans.__('read'), colour: curveColour(0) },
            { series: 'host.disk_write', label: trans.__('write'), colour: curveColour(1) }
          ]}
          resources={resources}
          shown={shown}
          format={rate}
          yRange={[0, null]}
        />
        <Chart
          title={trans.__('Network')}
          note=""
          lines={[
            { series: 'host.network_in', label: trans.__('in'), colour: curveColour(0) },
            { series: 'host.network_out', label: trans.__('out'), colour: curveColour(1) }
          ]}
          resources={resources}
          shown={shown}
          format={rate}
          yRange={[0, null]}
        />
      </div>
    </Section>
  );
}
