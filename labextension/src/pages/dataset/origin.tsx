/** Where a dataset came from and what was done to it. */
import * as React from 'react';
import { useLepton } from '../../context';
import { moment, number } from '../../format';
import type { IDataset } from '../../types';
import { Empty, Fact, Facts, Fold } from '../parts';

export function Origin(props: { dataset: IDataset }): JSX.Element {
  const { trans } = useLepton();
  const { dataset } = props;
  const history = [...((dataset.history ?? []) as Array<Record<string, any>>)].reverse();
  return (
    <Fold title={trans.__('Where it came from')} note={dataset.source ?? ''} open>
      {history.length === 0 && (
        <Empty>{trans.__('No history: it was not written by Lepton.')}</Empty>
      )}
      <ol className="lp-History">
        {history.map((entry, i) => {
          const facts = Object.entries(entry)
            .filter(([k, v]) => !['action', 'time'].includes(k) && typeof v !== 'object')
            .map(([k, v]): Fact => [k, number(v)]);
          const time = Date.parse(entry.time ?? '') / 1000;
          return (
            <li key={i}>
              <b>{entry.action ?? trans.__('change')}</b>{' '}
              <span className="lp-Dim">{Number.isFinite(time) ? moment(time) : ''}</span>
              <Facts facts={facts} />
            </li>
          );
        })}
      </ol>
    </Fold>
  );
}
