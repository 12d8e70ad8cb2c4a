/** A long operation that a page started: its progress, its end, what went wrong. */
import * as React from 'react';
import { useLepton, useStore } from '../context';
import type { ITask } from '../types';
import { Fault } from './parts';
import { percent } from '../format';

export interface IFollowed {
  task: ITask | null;
  running: boolean;
  fault: string | null;
  run(start: () => Promise<ITask>): Promise<void>;
}

/** Start tasks, one at a time, and follow the last; `onDone` is called when it succeeded. */
export function useTask(onDone?: (task: ITask) => void): IFollowed {
  const { lab } = useLepton();
  const tasks = useStore(lab.tasks);
  const [started, setStarted] = React.useState<ITask | null>(null);
  const [fault, setFault] = React.useState<string | null>(null);
  const [sent, setSent] = React.useState(false);
  const task = tasks.find(one => one.id === started?.id) ?? started;
  const told = React.useRef<string | null>(null);
  React.useEffect(() => {
    if (task && task.state === 'done' && told.current !== task.id) {
      told.current = task.id;
      onDone?.(task);
    }
  }, [task?.id, task?.state]);
  return {
    task,
    running: sent || task?.state === 'running',
    fault: fault ?? (task?.state === 'failed' ? (task.error?.message ?? '') : null),
    async run(start) {
      setFault(null);
      setSent(true);
      setStarted(null);
      try {
        const begun = await start();
        lab.addTask(begun);
        setStarted(begun);
      } catch (error) {
        setFault((error as Error).message);
      }
      setSent(false);
    }
  };
}

export function TaskLine(props: { task: IFollowed }): JSX.Element | null {
  const { api, trans } = useLepton();
  const { task, fault, running } = props.task;
  if (fault) {
    return <Fault message={fault} />;
  }
  if (!running || !task) {
    return null;
  }
  return (
    <div className="lp-Progress" role="status">
      <progress
        max={1}
        {...(task.progress === null ? {} : { value: task.progress })}
        aria-label={task.title}
      />
      {task.progress !== null && <b>{percent(task.progress)}</b>}
      <span className="lp-Dim">{task.text || task.title}</span>
      <button className="lp-Action" onClick={() => void api.cancelTask(task.id)}>
        {trans.__('Stop')}
      </button>
    </div>
  );
}
