/** The comparison as the server tells it, asked for again while runs go on. */
import * as React from 'react';
import { useVisible } from '../../charts/visible';
import { useLepton, useStore } from '../../context';
import type { IComparison } from '../../types';
import { refreshed } from './comparison';

const ACTIVE = new Set(['queued', 'running']);

/** The comparison, asked for again while runs go on; seldom where the answer takes long. */
export function useComparison(ids: string[]): [IComparison | null, string | null, () => void] {
  const { api, lab } = useLepton();
  const visible = useVisible();
  const [comparison, setComparison] = React.useState<IComparison | null>(null);
  const [fault, setFault] = React.useState<string | null>(null);
  const [asked, setAsked] = React.useState(0);
  const known = useStore(lab.runs).runs;
  const key = ids.join(',');
  const timer = React.useRef<ReturnType<typeof setTimeout>>();
  React.useEffect(() => {
    if (!visible) {
      return;
    }
    let gone = false;
    const load = async () => {
      const begun = performance.now();
      let active = false;
      try {
        const found = ids.length ? await api.compare(ids) : NOTHING;
        if (gone) {
          return;
        }
        setComparison(found);
        setFault(null);
        active =
          found.runs.some(run => ACTIVE.has(run.state)) ||
          Object.values(found.searches ?? {}).some(search => search.state === 'running');
      } catch (error) {
        if (gone) {
          return;
        }
        setFault((error as Error).message);
      }
      if (active) {
        timer.current = setTimeout(load, Math.max(1500, 10 * (performance.now() - begun)));
      }
    };
    void load();
    return () => {
      gone = true;
      clearTimeout(timer.current);
    };
  }, [key, asked, visible]);
  const shown = React.useMemo(
    () => comparison && refreshed(comparison, known),
    [comparison, known]
  );
  return [shown, fault, () => setAsked(n => n + 1)];
}

const NOTHING: IComparison = { runs: [], params: [], metrics: [], best: {}, histories: {} };
