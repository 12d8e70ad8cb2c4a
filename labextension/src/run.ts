/** What there is to say about a run, in words and numbers. */
import type { ITrans } from './context';
import * as format from './format';
import type { IRunSummary } from './types';

export function isActive(run: Pick<IRunSummary, 'state'>): boolean {
  return run.state === 'queued' || run.state === 'running';
}

/** Whether its search has ended it early. */
export function isPruned(run: Pick<IRunSummary, 'state' | 'pruned'>): boolean {
  return !isActive(run) && typeof run.pruned === 'number';
}

/** The share that is done, as Keras counts it; null where nobody knows. */
export function shareDone(run: IRunSummary): number | null {
  const { epoch, epochs, batch, batches } = run.progress ?? {};
  if (!epoch || !epochs) {
    return null;
  }
  return Math.min(1, (epoch - 1 + (batches ? (batch ?? 0) / batches : 0)) / epochs);
}

/** `epoch 2/3`. */
export function progressText(run: IRunSummary, trans: ITrans): string {
  const { epoch, epochs } = run.progress ?? {};
  return epoch && epochs ? trans.__('epoch %1/%2', epoch, epochs) : '';
}

/** The name, or how it differs from its siblings, or nothing but its number. */
export function title(run: IRunSummary): string {
  return run.name || format.params(run.params) || '';
}

/** Seconds that it has run, or ran; null while it waits. */
export function seconds(run: IRunSummary, now: number): number | null {
  return run.started === null ? null : (run.ended ?? now) - run.started;
}

/** The second line of a run: what it waits for, does, or came to. */
export function about(run: IRunSummary, trans: ITrans): string {
  const words: string[] = [];
  const values = format.params(run.params);
  if (run.name && values) {
    words.push(values);
  }
  if (run.state === 'queued') {
    words.push(run.place ? trans.__('place %1 in the queue', run.place) : trans.__('queued'));
  } else if (run.state === 'running') {
    words.push(progressText(run, trans) || trans.__('running'));
  } else if (isPruned(run)) {
    words.push(trans.__('pruned at step %1', run.pruned));
  } else if (run.error) {
    words.push(run.error.message);
  } else if (run.state !== 'done') {
    words.push(run.state === 'lost' ? trans.__('lost with its cluster') : trans.__('cancelled'));
  } else {
    words.push(format.when(run.ended ?? run.submitted));
  }
  return words.join(' · ');
}

/** The metric that stands for the run: that of its curve, else the last one logged. */
export function headline(run: IRunSummary): [string, number | null] | null {
  const name = run.spark_metric ?? Object.keys(run.metrics).pop();
  return name !== undefined && name in run.metrics ? [name, run.metrics[name]] : null;
}

/** Tell whether a run is one of those looked for. */
export function matches(run: IRunSummary, state: string, words: string): boolean {
  if (state === 'active' ? !isActive(run) : state && run.state !== state) {
    return false;
  }
  const text = [run.id, run.name, run.sweep, run.notebook, run.cluster, format.params(run.params)]
    .join(' ')
    .toLowerCase();
  return words
    .toLowerCase()
    .split(/\s+/)
    .every(word => text.includes(word));
}
