/** Resources for views: drawn anew at most once every so often, and not while nobody looks. */
import * as React from 'react';
import { useVisible } from '../../charts/visible';
import { useLepton } from '../../context';
import type { ResourceHistory } from '../../history';

export function useResources(interval: number): ResourceHistory {
  const { lab } = useLepton();
  const visible = useVisible();
  const [, setRevision] = React.useState(0);
  React.useEffect(() => {
    if (!visible) {
      return;
    }
    let told = 0;
    const again = () => {
      const now = performance.now();
      if (now - told > interval - 100) {
        told = now;
        setRevision(n => n + 1);
      }
    };
    again();
    lab.resources.changed.connect(again);
    return () => {
      lab.resources.changed.disconnect(again);
    };
  }, [lab, visible, interval]);
  return lab.resources;
}
