import * as React from 'react';
import { useLepton } from '../context';
import { bytes, roughRate } from '../format';
import type { IResourceSample } from '../types';

/** The links between the places of a cluster's workers, where there are several. */
export function Links(props: { links: IResourceSample['links'] }): JSX.Element | null {
  const { trans } = useLepton();
  const rows = Object.entries(props.links ?? {}).flatMap(([cluster, map]) =>
    map.links.map(link => ({ cluster, ...link }))
  );
  if (!rows.length) {
    return null;
  }
  return (
    <table className="lps-Sizes" aria-label={trans.__('Links between places')}>
      <thead>
        <tr>
          <th>{trans.__('Link')}</th>
          <th>{trans.__('Round trip')}</th>
          <th>{trans.__('Goodput')}</th>
          <th>{trans.__('Moved')}</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(link => (
          <tr key={`${link.cluster} ${link.from} ${link.to}`} title={measured(link.measured)}>
            <td>{trans.__('%1: %2 → %3', link.cluster, link.from, link.to)}</td>
            <td>{trans.__('%1 ms', (1000 * link.rtt).toFixed(1))}</td>
            <td>{roughRate(link.goodput)}</td>
            <td>{bytes(link.moved)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function measured(t: number): string {
  return new Date(1000 * t).toLocaleTimeString();
}
