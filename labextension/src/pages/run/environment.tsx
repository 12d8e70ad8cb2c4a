/** What a run took along, its options and where it ran. */
import * as React from 'react';
import { useLepton } from '../../context';
import { number } from '../../format';
import type { IRun } from '../../types';
import { Fact, Facts, Fold } from '../parts';

export function Environment(props: { run: IRun }): JSX.Element | null {
  const { trans } = useLepton();
  const { run } = props;
  const facts: Fact[] = Object.entries(run.environment ?? {}).map(([k, v]) => [k, number(v)]);
  const options = Object.entries(run.options ?? {}).filter(
    ([name, v]) => name !== 'payloads' && v !== null && v !== 0 && !(Array.isArray(v) && !v.length)
  );
  const brought = (run.brought ?? []) as string[];
  return (
    <>
      {brought.length > 0 && (
        <Fold title={trans.__('Brought along')} note={String(brought.length)}>
          <ul className="lp-Plain">
            {brought.map(text => (
              <li key={text}>{text}</li>
            ))}
          </ul>
        </Fold>
      )}
      {options.length > 0 && (
        <Fold title={trans.__('Options')} note={String(options.length)}>
          <Facts
            facts={options.map(([k, v]): Fact => [k, Array.isArray(v) ? v.join(', ') : number(v)])}
          />
        </Fold>
      )}
      {facts.length > 0 && (
        <Fold title={trans.__('Environment')} note={String(run.environment?.host ?? '')}>
          <Facts facts={facts} />
        </Fold>
      )}
    </>
  );
}
