/** The GPUs of this machine as a table: what each does and who holds it. */
import * as React from 'react';
import { curveColour } from '../../charts/colours';
import { useLepton } from '../../context';
import type { IGpuSample } from '../../types';
import { IColumn, ISorting, Meter, RunLink, SortTable } from '../parts';
import { bytes } from '../../format';

export function GpuTable(props: { gpus: IGpuSample[] }): JSX.Element {
  const { trans } = useLepton();
  const [sorting, setSorting] = React.useState<ISorting | null>({ key: 'index', down: false });
  const columns: IColumn<IGpuSample>[] = [
    {
      key: 'index',
      title: trans.__('GPU'),
      value: g => g.index,
      cell: g => (
        <>
          <i className="lp-Dot" style={{ background: curveColour(g.index) }} aria-hidden="true" />
          {`${g.index} · ${g.name}`}
        </>
      )
    },
    {
      key: 'by',
      title: trans.__('Held by'),
      value: g => holders(g),
      cell: g => <Holders gpu={g} />
    },
    {
      key: 'use',
      title: trans.__('Use'),
      value: g => g.use,
      cell: g => <Meter share={g.use === null ? null : g.use / 100} />
    },
    {
      key: 'memory',
      title: trans.__('Memory'),
      value: g => g.memory[0] / (g.memory[1] || 1),
      cell: g => (
        <Meter
          share={g.memory[0] / (g.memory[1] || 1)}
          label={trans.__('of %1', bytes(g.memory[1]))}
        />
      )
    },
    {
      key: 'power',
      title: trans.__('Power'),
      numeric: true,
      value: g => g.power,
      cell: g =>
        g.power === null
          ? '–'
          : `${Math.round(g.power)}${g.power_limit ? ` / ${Math.round(g.power_limit)}` : ''} W`
    },
    {
      key: 'temperature',
      title: trans.__('Temp.'),
      numeric: true,
      value: g => g.temperature,
      cell: g => (g.temperature === null ? '–' : `${Math.round(g.temperature)} °C`)
    }
  ];
  if (props.gpus.some(g => g.clock)) {
    columns.push({
      key: 'clock',
      title: trans.__('Clock'),
      numeric: true,
      value: g => g.clock ?? null,
      cell: g => (g.clock ? `${g.clock} MHz` : '–')
    });
  }
  if (props.gpus.some(g => g.pcie)) {
    columns.push({
      key: 'pcie',
      title: trans.__('PCIe out, in'),
      numeric: true,
      value: g => (g.pcie ? g.pcie[0] + g.pcie[1] : null),
      cell: g => (g.pcie ? g.pcie.map(rate => `${bytes(rate)}/s`).join(', ') : '–')
    });
  }
  if (props.gpus.some(g => troubles(g).length)) {
    columns.push({
      key: 'trouble',
      title: trans.__('Remarks'),
      value: g => troubles(g).join(),
      cell: g => <span className="lp-Trouble">{troubles(g).join(' · ')}</span>
    });
  }
  return (
    <SortTable
      label={trans.__('GPUs')}
      rows={props.gpus}
      columns={columns}
      rowKey={g => String(g.index)}
      sorting={sorting}
      onSort={setSorting}
    />
  );
}

/** Why it is slower than it could be, and what is wrong with it. */
export function troubles(gpu: IGpuSample): string[] {
  const found = [...(gpu.throttled ?? [])];
  if (gpu.ecc?.uncorrected) {
    found.push(`ECC ${gpu.ecc.uncorrected}`);
  }
  if (gpu.mig) {
    found.push(`MIG ${gpu.mig.length}`);
  }
  return found;
}

function holders(gpu: IGpuSample): string {
  return gpu.processes.map(p => p.run ?? p.kernel ?? `pid ${p.pid}`).join();
}

/** The runs, kernels and other processes on it; who holds it and does nothing stands out. */
function Holders(props: { gpu: IGpuSample }): JSX.Element {
  const { trans } = useLepton();
  const { gpu } = props;
  if (!gpu.processes.length) {
    return <span className="lp-Dim">{trans.__('free')}</span>;
  }
  const idle = gpu.use !== null && gpu.use < 5 && !gpu.processes.some(p => p.run);
  return (
    <>
      {gpu.processes.map((p, i) => (
        <React.Fragment key={p.pid}>
          {i > 0 && ', '}
          {p.run ? (
            <RunLink id={p.run} />
          ) : (
            <span title={p.memory === null ? undefined : bytes(p.memory)}>
              {p.kernel
                ? trans.__('kernel %1', p.kernel.slice(0, 8))
                : trans.__('process %1', p.pid)}
            </span>
          )}
        </React.Fragment>
      ))}
      {idle && (
        <span className="lp-Trouble" title={trans.__('Free it: %lepton cluster idle')}>
          {' '}
          {trans.__('idle')}
        </span>
      )}
    </>
  );
}
