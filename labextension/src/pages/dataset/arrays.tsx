/** The arrays of a dataset: how each is cut and encoded, and what that saves. */
import * as React from 'react';
import { useLepton } from '../../context';
import { bytes, count, shape } from '../../format';
import type { IDataset } from '../../types';
import { IColumn, ISorting, Section, SortTable } from '../parts';
import { arrayRows, codecWords, IArrayRow } from './stored';

export function Arrays(props: { dataset: IDataset }): JSX.Element {
  const { trans } = useLepton();
  const [sorting, setSorting] = React.useState<ISorting | null>(null);
  const rows = arrayRows(props.dataset);
  const roles = props.dataset.roles ?? {};
  const roleOf = (row: IArrayRow) =>
    Object.entries(roles).find(([, name]) => name === row.path)?.[0];
  const columns: IColumn<IArrayRow>[] = [
    {
      key: 'name',
      title: trans.__('Array'),
      value: r => r.path,
      cell: r => (
        <>
          <b>{r.path}</b>
          {roleOf(r) && roleOf(r) !== r.path && <span className="lp-Dim"> {roleOf(r)}</span>}
        </>
      )
    },
    { key: 'shape', title: trans.__('Shape'), value: r => r.shape[0], cell: r => shape(r.shape) },
    { key: 'dtype', title: trans.__('Type'), value: r => r.dtype, cell: r => r.dtype },
    {
      key: 'chunks',
      title: trans.__('Chunk'),
      value: r => r.chunk_bytes,
      cell: r => (
        <>
          {shape(r.chunks)} <span className="lp-Dim">{bytes(r.chunk_bytes)}</span>
        </>
      )
    },
    {
      key: 'count',
      title: trans.__('Chunks'),
      numeric: true,
      value: r => r.chunk_count,
      cell: r => (
        <>
          {count(r.chunk_count)}
          {r.shards && <span className="lp-Dim"> {trans.__('in shards')}</span>}
        </>
      )
    },
    {
      key: 'codecs',
      title: trans.__('Codecs'),
      value: r => codecWords(r.codecs),
      cell: r => codecWords(r.codecs)
    },
    {
      key: 'original',
      title: trans.__('Original'),
      numeric: true,
      value: r => r.original_bytes,
      cell: r => bytes(r.original_bytes)
    },
    {
      key: 'stored',
      title: trans.__('Stored'),
      numeric: true,
      value: r => r.stored_bytes,
      cell: r => bytes(r.stored_bytes)
    },
    {
      key: 'ratio',
      title: trans.__('Ratio'),
      numeric: true,
      value: r => r.ratio,
      cell: r => (r.ratio ? `${r.ratio.toPrecision(3)} ×` : '–')
    }
  ];
  const verdicts = rows.filter(row => row.verdict);
  return (
    <Section title={trans.__('Arrays')} note={String(rows.length)}>
      <SortTable
        label={trans.__('Arrays')}
        rows={rows}
        columns={columns}
        rowKey={r => r.path}
        sorting={sorting}
        onSort={setSorting}
      />
      {verdicts.map(row => (
        <p key={row.path} className="lp-Advice">
          <b>{row.path}</b>: {row.verdict}
        </p>
      ))}
      {rows.length > 0 && !verdicts.length && (
        <p className="lp-Fine">{trans.__('Chunks suit shuffled reading; nothing to change.')}</p>
      )}
    </Section>
  );
}
