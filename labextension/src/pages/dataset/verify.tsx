/** Every chunk read and compared with its checksum. */
import * as React from 'react';
import { useLepton } from '../../context';
import { Section } from '../parts';
import { useTask, TaskLine } from '../taskline';

export function Verify(props: { path: string }): JSX.Element {
  const { api, trans } = useLepton();
  const task = useTask();
  const result = task.task?.state === 'done' ? task.task.result : null;
  return (
    <Section
      title={trans.__('Check')}
      actions={
        <button
          className="lp-Action"
          disabled={task.running}
          onClick={() => task.run(() => api.verify(props.path))}
        >
          {trans.__('Verify every chunk')}
        </button>
      }
    >
      <TaskLine task={task} />
      {result && (
        <p className={result.ok ? 'lp-Fine' : 'lp-Advice'} role="status">
          {result.ok
            ? trans.__('All chunks are as they were written.')
            : trans.__('Broken: %1', findings(result))}
        </p>
      )}
      {!task.task && !task.fault && (
        <p className="lp-Dim">
          {trans.__('Reads and decodes each chunk, and compares checksums.')}
        </p>
      )}
    </Section>
  );
}

function findings(result: any): string {
  const all: any[] = result.findings ?? [];
  const said = all
    .slice(0, 5)
    .map(f => `${f.array ?? ''} ${f.chunk ?? ''} ${f.problem ?? ''}`.trim());
  return said.join('; ') + (all.length > 5 ? ` … ${all.length}` : '');
}
