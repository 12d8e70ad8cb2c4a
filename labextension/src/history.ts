/** The last hour of resources, by series name (`host.cpu`, `gpu.0.use`, `worker.local/0.cpu`). */
import { ISignal, Signal } from '@lumino/signaling';
import type { IResourceHistory, IResourceSample, ITopics } from './types';

const KEPT = 3600; // seconds
const SILENCE = 10_000; // ms without a sample after which that is told
const SLACK = 60; // seconds more: all series are moved up once a minute, not at each sample

export type Values = (number | null)[];

export class ResourceHistory {
  /** Times of the samples, oldest first. */
  times: number[] = [];
  series = new Map<string, Values>();
  /** Facts that do not change, by name: `host.memory_total`. */
  facts = new Map<string, number>();
  gpus: IResourceHistory['gpus'] = [];
  latest: IResourceSample | null = null;
  /** Why something is not measured: that there is no GPU. */
  message: string | null = null;
  /** When the newest sample came (ms since the epoch). */
  heard: number | null = null;

  /** Emitted at each sample and each new history. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  take(data: ITopics['resources']): void {
    if (data.history) {
      this._replace(data.history);
    }
    if (data.sample) {
      this.heard = Date.now();
      this._append(data.sample);
    }
    this._changed.emit();
  }

  /** Since when no sample has come that was due; null while they come (ms since the epoch). */
  silentSince(now = Date.now()): number | null {
    const [before, last] = this.times.slice(-2);
    const interval = last ? (last - before) * 1000 : 0;
    const late = Math.max(SILENCE, 5 * interval);
    return this.heard !== null && now - this.heard > late ? this.heard : null;
  }

  private _replace(history: IResourceHistory): void {
    this.times = [...history.t];
    this.gpus = history.gpus ?? [];
    this.message = history.message;
    this.series.clear();
    for (const [name, values] of Object.entries(history.series)) {
      if (Array.isArray(values)) {
        this.series.set(name, [...values]);
      } else {
        this.facts.set(name, values);
      }
    }
  }

  private _append(sample: IResourceSample): void {
    this.latest = sample;
    if (sample.message !== undefined) {
      this.message = sample.message;
    }
    const row = flatten(sample);
    const count = this.times.push(sample.t);
    for (const [name, value] of row) {
      let values = this.series.get(name);
      if (!values) {
        values = new Array(count - 1).fill(null);
        this.series.set(name, values);
      }
      values.push(value);
    }
    const isOld = this.times[0] < sample.t - KEPT - SLACK;
    const drop = isOld ? this.times.findIndex(t => t > sample.t - KEPT) : 0;
    for (const [name, values] of this.series) {
      if (values.length < count) {
        values.push(null); // it is gone, or was not measured this time
      }
      if (drop > 0) {
        values.splice(0, drop);
        if (values.every(value => value === null)) {
          this.series.delete(name);
        }
      }
    }
    if (drop > 0) {
      this.times.splice(0, drop);
    }
  }

  private _changed = new Signal<this, void>(this);
}

/** Name the numbers of a sample as the history does. */
export function flatten(sample: IResourceSample): Map<string, number | null> {
  const { host, workers, runs } = sample;
  const row = new Map<string, number | null>([
    ['host.cpu', host.cpu],
    ['host.memory', host.memory[0]],
    ['host.memory_total', host.memory[1]],
    ['host.disk_read', host.disk[0]],
    ['host.disk_write', host.disk[1]],
    ['host.network_in', host.network[0]],
    ['host.network_out', host.network[1]]
  ]);
  for (const gpu of host.gpus) {
    row.set(`gpu.${gpu.index}.use`, gpu.use);
    row.set(`gpu.${gpu.index}.memory`, gpu.memory[0]);
    row.set(`gpu.${gpu.index}.power`, gpu.power);
    row.set(`gpu.${gpu.index}.temperature`, gpu.temperature);
  }
  for (const [name, worker] of Object.entries(workers)) {
    row.set(`worker.${name}.cpu`, worker.cpu);
    row.set(`worker.${name}.memory`, worker.memory[0]);
  }
  for (const [id, run] of Object.entries(runs)) {
    row.set(`run.${id}.cpu`, run.cpu);
    row.set(`run.${id}.memory`, run.memory);
    row.set(`run.${id}.gpu_memory`, run.gpu_memory);
  }
  return row;
}
