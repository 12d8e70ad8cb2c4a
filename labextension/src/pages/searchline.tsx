/** How far a search is and by what it goes; it can be stopped, and go on later. */
import * as React from 'react';
import { useLepton } from '../context';
import type { ISearch } from '../types';
import { Fault } from './parts';

export function SearchLine(props: {
  id: string;
  search: ISearch;
  onChange: () => void;
}): JSX.Element {
  const { api, trans } = useLepton();
  const { id, search } = props;
  const [busy, setBusy] = React.useState(false);
  const [fault, setFault] = React.useState<string | null>(null);
  const running = search.state === 'running';
  const act = async (request: Promise<unknown>) => {
    setBusy(true);
    setFault(null);
    try {
      await request;
      props.onChange();
    } catch (error) {
      setFault((error as Error).message);
    }
    setBusy(false);
  };
  const ways = search.prune === 'none' ? search.search : `${search.search}, ${search.prune}`;
  const words = [
    trans.__('%1 of %2 trials', search.asked, search.trials),
    ways,
    search.metric &&
      (search.mode === 'max'
        ? trans.__('most %1', search.metric)
        : trans.__('least %1', search.metric)),
    search.state === 'lost' && trans.__('its cluster has ended'),
    search.state === 'cancelled' && trans.__('cancelled')
  ];
  return (
    <div className="lp-Progress" data-search={id}>
      {running && (
        <progress max={search.trials} value={search.asked} aria-label={trans.__('Progress')} />
      )}
      <b>{id}</b>
      <span className="lp-Dim">{words.filter(Boolean).join(' · ')}</span>
      {running && (
        <button
          className="lp-Action lp-mod-danger"
          disabled={busy}
          onClick={() => void act(api.cancelSweep(id))}
        >
          {trans.__('Stop the search')}
        </button>
      )}
      {!running && search.state !== 'done' && (
        <button className="lp-Action" disabled={busy} onClick={() => void act(api.resumeSweep(id))}>
          {trans.__('Go on')}
        </button>
      )}
      {(fault ?? search.error) && <Fault message={(fault ?? search.error)!} />}
    </div>
  );
}
