import * as React from 'react';
import { useLepton, useStore } from '../context';
import { when } from '../format';

const INTERVAL = 2000; // ms

/** Says since when no figures come, where the server is there and does not measure. */
export function Silence(props: { className: string }): JSX.Element | null {
  const { lab, trans } = useLepton();
  const live = useStore(lab.status) === 'live';
  const [since, setSince] = React.useState<number | null>(null);
  React.useEffect(() => {
    const look = () => setSince(lab.resources.silentSince());
    look();
    const timer = setInterval(look, INTERVAL);
    lab.resources.changed.connect(look);
    return () => {
      clearInterval(timer);
      lab.resources.changed.disconnect(look);
    };
  }, [lab]);
  if (!live || since === null) {
    return null;
  }
  return (
    <p className={props.className} role="status">
      {trans.__(
        'Figures are missing since %1: the server does not measure. Its log says why.',
        when(since / 1000)
      )}
    </p>
  );
}
