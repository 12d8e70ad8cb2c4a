/** What each run uses. */
import * as React from 'react';
import { Sparkline } from '../../charts/sparkline';
import { useLepton } from '../../context';
import { bytes } from '../../format';
import type { ResourceHistory, Values } from '../../history';
import { IColumn, ISorting, RunLink, Section, SortTable } from '../parts';
import { spark } from './spark';

interface IRunRow {
  id: string;
  cpu: number;
  memory: number;
  gpu: number | null;
  spark: Values;
}

export function Runs(props: { resources: ResourceHistory; minutes: number }): JSX.Element | null {
  const { trans } = useLepton();
  const { resources } = props;
  const [sorting, setSorting] = React.useState<ISorting | null>({ key: 'id', down: true });
  const rows: IRunRow[] = Object.entries(resources.latest?.runs ?? {}).map(([id, r]) => ({
    id,
    cpu: r.cpu,
    memory: r.memory,
    gpu: r.gpu_memory,
    spark: spark(resources, `run.${id}.memory`, props.minutes)
  }));
  if (!rows.length) {
    return null;
  }
  const columns: IColumn<IRunRow>[] = [
    { key: 'id', title: trans.__('Run'), value: r => r.id, cell: r => <RunLink id={r.id} /> },
    {
      key: 'cpu',
      title: trans.__('CPU'),
      numeric: true,
      value: r => r.cpu,
      cell: r => `${Math.round(r.cpu)} %`
    },
    {
      key: 'memory',
      title: trans.__('Memory'),
      numeric: true,
      value: r => r.memory,
      cell: r => bytes(r.memory)
    },
    {
      key: 'spark',
      title: trans.__('last %1 min', props.minutes),
      fixed: true,
      className: 'lp-Spark',
      value: () => null,
      cell: r => <Sparkline values={r.spark} low={0} label={trans.__('Memory of %1', r.id)} />
    }
  ];
  if (rows.some(r => r.gpu !== null)) {
    columns.push({
      key: 'gpu',
      title: trans.__('GPU memory'),
      numeric: true,
      value: r => r.gpu,
      cell: r => bytes(r.gpu)
    });
  }
  return (
    <Section title={trans.__('Runs')} note={trans.__('%1 at work', rows.length)}>
      <SortTable
        label={trans.__('Runs')}
        rows={rows}
        columns={columns}
        rowKey={r => r.id}
        sorting={sorting}
        onSort={setSorting}
      />
    </Section>
  );
}
