/** What each worker uses. */
import * as React from 'react';
import { Sparkline } from '../../charts/sparkline';
import { useLepton, useStore } from '../../context';
import { bytes } from '../../format';
import type { ResourceHistory, Values } from '../../history';
import { Empty, IColumn, ISorting, Meter, RunLink, Section, SortTable } from '../parts';
import { spark } from './spark';

interface IWorkerRow {
  key: string;
  cpu: number | null;
  memory: number | null;
  limit: number | null;
  run: string | null;
  device: string;
  spark: Values;
}

export function Workers(props: { resources: ResourceHistory; minutes: number }): JSX.Element {
  const { trans, lab } = useLepton();
  const { resources } = props;
  const clusters = useStore(lab.clusters);
  const [sorting, setSorting] = React.useState<ISorting | null>({ key: 'name', down: false });
  const sample = resources.latest?.workers ?? {};
  const rows: IWorkerRow[] = Object.entries(sample).map(([key, w]) => ({
    key,
    cpu: w.cpu,
    memory: w.memory?.[0] ?? null,
    limit: w.memory?.[1] ?? null,
    run: w.run,
    device: w.device,
    spark: spark(resources, `worker.${key}.cpu`, props.minutes)
  }));
  const columns: IColumn<IWorkerRow>[] = [
    { key: 'name', title: trans.__('Worker'), value: r => r.key, cell: r => r.key },
    { key: 'device', title: trans.__('Device'), value: r => r.device, cell: r => r.device },
    {
      key: 'run',
      title: trans.__('Run'),
      value: r => r.run,
      cell: r =>
        r.run ? <RunLink id={r.run} /> : <span className="lp-Dim">{trans.__('idle')}</span>
    },
    {
      key: 'cpu',
      title: trans.__('CPU'),
      numeric: true,
      value: r => r.cpu,
      cell: r => (r.cpu === null ? '–' : `${Math.round(r.cpu)} %`)
    },
    {
      key: 'spark',
      title: trans.__('last %1 min', props.minutes),
      fixed: true,
      className: 'lp-Spark',
      value: () => null,
      cell: r => (
        <Sparkline
          values={r.spark}
          low={0}
          high={Math.max(100, ...r.spark.map(v => v ?? 0))}
          label={trans.__('CPU of %1', r.key)}
        />
      )
    },
    {
      key: 'memory',
      title: trans.__('Memory'),
      numeric: true,
      value: r => r.memory,
      cell: r => bytes(r.memory)
    },
    {
      key: 'share',
      title: trans.__('of its limit'),
      value: r => (r.memory !== null && r.limit ? r.memory / r.limit : null),
      cell: r => (
        <Meter
          share={r.memory !== null && r.limit ? r.memory / r.limit : null}
          label={trans.__('of %1', bytes(r.limit))}
          scarce
        />
      )
    }
  ];
  return (
    <Section
      title={trans.__('Workers')}
      note={
        rows.length
          ? trans.__('%1, %2 busy', rows.length, rows.filter(r => r.run).length)
          : undefined
      }
    >
      {rows.length ? (
        <SortTable
          label={trans.__('Workers')}
          rows={rows}
          columns={columns}
          rowKey={r => r.key}
          sorting={sorting}
          onSort={setSorting}
        />
      ) : (
        <Empty>
          {clusters?.length
            ? trans.__('The clusters have not reported yet.')
            : trans.__('No cluster is running. Start one in the Lepton sidebar.')}
        </Empty>
      )}
    </Section>
  );
}
