/** What components are given in tests: a lab fed by hand, and requests that are written down. */
import { act, render } from '@testing-library/react';
import * as React from 'react';
import { Api, ApiError } from '../api';
import { IViewContext, LeptonProvider } from '../context';
import { Lab } from '../model';
import { Stream } from '../stream';
import type { ICluster, IRunSummary, ITask, IWorker } from '../types';

/** As the gettext of JupyterLab: in plural forms %1 is the count. */
export const trans = {
  __: (text: string, ...values: any[]) => filled(text, values),
  _n: (one: string, many: string, count: number, ...values: any[]) =>
    filled(count === 1 ? one : many, [count, ...values])
};

function filled(text: string, values: any[]): string {
  return text.replace(/%(\d)/g, (_, index) => String(values[Number(index) - 1]));
}

export class Surroundings {
  requests: [string, string, any?][] = [];
  commands: [string, any?][] = [];
  /** What each request is answered, by `METHOD path`; an error is thrown. */
  answers: Record<string, any> = {};
  memory = new Map<string, any>();
  lab: Lab;
  context: IViewContext;
  private _socket: any = { readyState: 1, send: () => undefined, close: () => undefined };

  constructor() {
    const api = new Api(async (method, path, body) => {
      this.requests.push(body === undefined ? [method, path] : [method, path, body]);
      const answer = this.answers[`${method} ${path}`];
      if (answer instanceof Error) {
        throw answer;
      }
      return answer ?? {};
    });
    const stream = new Stream(() => this._socket);
    this.lab = new Lab(api, stream);
    this.lab.status.set('live');
    this.context = {
      api,
      lab: this.lab,
      trans,
      execute: (command, args) => void this.commands.push([command, args]),
      memory: {
        ready: Promise.resolve(),
        get: key => this.memory.get(key),
        set: (key, value) => void this.memory.set(key, value)
      }
    };
  }

  show(view: React.ReactElement): HTMLElement {
    return render(<LeptonProvider value={this.context}>{view}</LeptonProvider>).container;
  }

  /** Let the server say something, and views take it in. */
  async say(topic: string, data: any): Promise<void> {
    await act(async () => {
      this._socket.onmessage({ data: JSON.stringify({ topic, data }) });
      await new Promise(resolve => setTimeout(resolve, 220)); // views are told 5 times a second
    });
  }
}

export function refused(message: string, forcible = false): ApiError {
  return new ApiError(message, 'ClusterError', 409, forcible);
}

export function aWorker(id: string, runs: string[], more: Partial<IWorker> = {}): IWorker {
  const rest = { slots: 1, fault: null, threads: 2, memory: 4e9 };
  return { id, host: '127.0.0.1', devices: ['cpu'], run: runs[0] ?? null, runs, ...rest, ...more };
}

export function aCluster(more: Partial<ICluster> = {}): ICluster {
  return {
    name: 'local',
    engine: 'local',
    address: 'tls://127.0.0.1:1',
    workers: [aWorker('0', ['r1']), aWorker('1', [])],
    host_pid: 1,
    connection_file: '',
    idle_timeout: 3600,
    state: 'running',
    ...more
  };
}

export function aRun(id: string, more: Partial<IRunSummary> = {}): IRunSummary {
  return {
    id,
    name: null,
    sweep: null,
    state: 'done',
    params: {},
    metrics: {},
    values: [],
    phases: {},
    error: null,
    cluster: 'local',
    worker: null,
    devices: [],
    submitted: 100,
    started: 101,
    ended: 131,
    progress: null,
    place: null,
    attempt: 1,
    replicas: [],
    spark: [],
    spark_metric: null,
    notebook: null,
    cell: null,
    ...more
  };
}

export const counts = { queued: 0, running: 0, done: 0, failed: 0, cancelled: 0, lost: 0 };

export function aTask(kind: string, more: Partial<ITask> = {}): ITask {
  return {
    id: 't1',
    kind,
    title: `${kind} of a test`,
    state: 'running',
    progress: null,
    text: '',
    result: null,
    error: null,
    started: 0,
    ended: null,
    ...more
  };
}
