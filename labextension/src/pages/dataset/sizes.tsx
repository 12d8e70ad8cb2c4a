/** What a dataset takes after each step. */
import * as React from 'react';
import { IRow, RowBars } from '../../charts/bars';
import { curveColour } from '../../charts/colours';
import { useLepton } from '../../context';
import { bytes } from '../../format';
import type { IDataset } from '../../types';
import { Section } from '../parts';

/** What the dataset takes after each step, as rows of one bar chart. */
function sizeRows(dataset: IDataset, trans: { __(text: string, ...v: any[]): string }): IRow[] {
  const { storage, place } = dataset;
  const original = storage?.original_bytes ?? dataset.original_bytes;
  const rows: IRow[] = [
    {
      key: 'original',
      label: trans.__('original'),
      value: original,
      text: bytes(original),
      note: '',
      colour: '#7d858f'
    }
  ];
  const ratio = (value: number) => (value ? `${(original / value).toPrecision(3)} ×` : '');
  const add = (key: string, label: string, value: number | null | undefined, colour: string) => {
    if (typeof value === 'number') {
      rows.push({ key, label, value, text: bytes(value), note: ratio(value), colour });
    }
  };
  add(
    'compressed',
    trans.__('compressed'),
    storage?.compressed_bytes ?? dataset.stored_bytes,
    curveColour(0)
  );
  add('deduplicated', trans.__('deduplicated'), storage?.deduplicated_bytes, curveColour(2));
  for (const [tier, value] of Object.entries((place?.tier_bytes ?? {}) as Record<string, number>)) {
    rows.push({
      key: `tier-${tier}`,
      label: trans.__('%1 tier', tier),
      value,
      text: bytes(value),
      note: '',
      colour: curveColour(7)
    });
  }
  return rows;
}

export function Sizes(props: { dataset: IDataset }): JSX.Element {
  const { trans } = useLepton();
  const { dataset } = props;
  const versions = dataset.storage?.versions as number | undefined;
  return (
    <Section
      title={trans.__('What it takes')}
      note={versions ? trans._n('with %1 version', 'with %1 versions', versions) : undefined}
    >
      <RowBars rows={sizeRows(dataset, trans)} label={trans.__('Bytes after each step')} />
    </Section>
  );
}
