import * as React from 'react';
import { useLepton, useStore } from '../context';
import { clock } from '../format';
import type { ITask } from '../types';
import { IconButton } from './button';
import { Failure } from './notice';
import { Progress, Spinner } from './progress';
import { useClock } from './ticker';

const KEPT = 600; // seconds that a failure is shown, unless it is dismissed

/** What is being done and what failed, of the kinds that begin with `kind`. */
export function Tasks(props: {
  kind: string;
  children?: (task: ITask) => React.ReactNode;
}): JSX.Element | null {
  const { lab } = useLepton();
  const tasks = useStore(lab.tasks);
  const dismissed = useStore(lab.dismissed);
  const shown = tasks.filter(
    task =>
      task.kind.startsWith(props.kind) &&
      !dismissed.has(task.id) &&
      (task.state === 'running' ||
        (task.state === 'failed' && Date.now() / 1000 - (task.ended ?? 0) < KEPT))
  );
  if (!shown.length) {
    return null;
  }
  return (
    <>
      {shown.map(task =>
        task.state === 'running' ? (
          <TaskRow key={task.id} task={task} />
        ) : (
          <Failure
            key={task.id}
            message={`${task.title}: ${task.error?.message ?? ''}`}
            onDismiss={() => lab.dismiss(task.id)}
          >
            {props.children?.(task)}
          </Failure>
        )
      )}
    </>
  );
}

export function TaskRow(props: { task: ITask }): JSX.Element {
  const { api, lab, trans } = useLepton();
  const { task } = props;
  const time = useClock(now => clock(now - task.started));
  return (
    <div className="lps-Task" role="status" aria-label={task.title}>
      <Spinner />
      <div className="lps-Task-words">
        <span className="lps-Task-title">{task.title}</span>
        <span className="lps-Task-text">{task.text}</span>
      </div>
      <span ref={time} className="lps-Task-time" aria-hidden="true" />
      <IconButton
        icon="close"
        label={trans.__('Cancel: %1', task.title)}
        onClick={() => void lab.attempt(api.cancelTask(task.id))}
      />
      <Progress value={task.progress} label={task.title} />
    </div>
  );
}
