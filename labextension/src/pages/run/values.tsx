/** What went into a run and what came out of it: parameters, last values, what was brought back. */
import * as React from 'react';
import { useLepton } from '../../context';
import { bytes, number } from '../../format';
import type { IRun } from '../../types';
import { Copy, Fact, Facts, Fold, Section } from '../parts';

export function Values(props: { run: IRun }): JSX.Element | null {
  const { trans } = useLepton();
  const { params, metrics } = props.run;
  const parameters = Object.entries(params).map(([k, v]): Fact => [k, number(v)]);
  const last = Object.entries(metrics).map(([k, v]): Fact => [k, number(v)]);
  if (!parameters.length && !last.length) {
    return null;
  }
  return (
    <>
      {parameters.length > 0 && (
        <Section title={trans.__('Parameters')}>
          <Facts facts={parameters} />
        </Section>
      )}
      {last.length > 0 && (
        <Section title={trans.__('Last values')}>
          <Facts facts={last} />
        </Section>
      )}
    </>
  );
}

/** What was brought back, with how to get it; the other files of its folder below. */
export function Artifacts(props: { run: IRun }): JSX.Element | null {
  const { trans } = useLepton();
  const { run } = props;
  const files = run.artifacts ?? [];
  const fileOf = (name: string) =>
    files.find(file => file.name.replace(/^values\//, '').replace(/\.[^.]*$/, '') === name);
  const rest = files.filter(file => !file.name.startsWith('values/'));
  return (
    <>
      {run.values.length > 0 && (
        <Section title={trans.__('Values brought back')} note={String(run.values.length)}>
          <ul className="lp-Values">
            {run.values.map(name => {
              const code = `lepton.run("${run.id}").values["${name}"]`;
              return (
                <li key={name}>
                  <div>
                    <b title={name}>{name}</b>
                    <span className="lp-Dim">{bytes(fileOf(name)?.bytes)}</span>
                    <Copy label={trans.__('Copy code')} text={() => code} />
                  </div>
                  <code>{code}</code>
                </li>
              );
            })}
          </ul>
        </Section>
      )}
      {rest.length > 0 && (
        <Fold
          title={trans.__('Files')}
          note={bytes(rest.reduce((sum, file) => sum + file.bytes, 0))}
        >
          <Facts facts={rest.map((file): Fact => [file.name, bytes(file.bytes)])} />
          {run.folder && <p className="lp-Dim lp-Path">{run.folder}</p>}
        </Fold>
      )}
    </>
  );
}
