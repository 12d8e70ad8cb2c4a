/** Why a run failed, with its traceback. */
import * as React from 'react';
import { useLepton } from '../../context';
import type { IRun } from '../../types';
import { Copy } from '../parts';
import { contents } from './output';
import { Terminal } from './terminal';

export function ErrorBlock(props: { run: IRun }): JSX.Element {
  const { trans } = useLepton();
  const error = props.run.error as { kind: string; message: string; traceback?: string[] };
  const kinds: Record<string, string> = {
    exception: trans.__('An exception ended it'),
    signal: trans.__('A signal killed it'),
    exit: trans.__('Its process ended'),
    memory: trans.__('It ran out of memory'),
    timeout: trans.__('It took longer than its limit'),
    stall: trans.__('It showed no sign of life'),
    'worker-lost': trans.__('Its worker was lost'),
    budget: trans.__('Its budget was spent')
  };
  const lines = React.useMemo(() => {
    const terminal = new Terminal();
    terminal.feed(traceback(error.traceback));
    return terminal.lines;
  }, [error]);
  const text = lines.map(line =>
    typeof line === 'string' ? line : line.map(s => s.text).join('')
  );
  return (
    <section className="lp-Error" aria-label={trans.__('Error')} role="alert">
      <header className="lp-Block-head">
        <h2>{kinds[error.kind] ?? error.kind}</h2>
        <div className="lp-Block-actions">
          <Copy label={trans.__('Copy')} text={() => [error.message, ...text].join('\n').trim()} />
        </div>
      </header>
      <p className="lp-Error-message">{error.message}</p>
      {text.some(line => line) && (
        <pre className="lp-Error-trace" tabIndex={0} aria-label={trans.__('Traceback')}>
          {lines.map((line, i) => (
            <div key={i}>{contents(line, '') || ' '}</div>
          ))}
        </pre>
      )}
    </section>
  );
}

function traceback(value: string[] | string | undefined): string {
  return (Array.isArray(value) ? value.join('\n') : (value ?? '')).replace(/\n+$/, '');
}
