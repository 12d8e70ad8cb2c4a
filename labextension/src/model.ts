/** What the page knows, kept up by the stream. Views read stores and follow them. */
import { ISignal, Signal } from '@lumino/signaling';
import type { Api } from './api';
import { ResourceHistory } from './history';
import { Store } from './store';
import type { Status, Stream } from './stream';
import type * as T from './types';

/** The newest runs, newest first, and how many there are of each state. */
export interface IRunsState {
  runs: readonly T.IRunSummary[];
  counts: T.RunCounts;
  /** False until the first answer. */
  known: boolean;
}

/** The forms that commands can open. */
export type Form = 'cluster' | 'import' | 'model';

export const SECTIONS = ['clusters', 'runs', 'data', 'models', 'resources'] as const;

/** What a person has set, see schema/plugin.json. */
export interface ISettings {
  sections: string[];
  defaultEngine: string;
  idleTime: string;
  timeRange: number;
  datasetInterval: number;
}

export const DEFAULTS: ISettings = {
  sections: [...SECTIONS],
  defaultEngine: 'auto',
  idleTime: '',
  timeRange: 5,
  datasetInterval: 60
};

export class Lab {
  constructor(
    readonly api: Api,
    readonly stream: Stream
  ) {
    this.status = new Store<Status>(stream.status);
    stream.statusChanged.connect((_, status) => {
      this.status.set(status);
      if (status === 'live') {
        void this.refresh();
      }
    });
    stream.subscribe('clusters', data => this.clusters.set(data.clusters));
    stream.subscribe('runs', data => this._takeRuns(data));
    stream.subscribe('tasks', data => this._takeTasks(data.tasks));
    stream.subscribe('models', data => this.models.set(data.models));
    stream.subscribe('endpoints', data => this.endpoints.set(data.endpoints));
    stream.subscribe('resources', data => this.resources.take(data));
    stream.subscribe('error', data => this.error.set(data.message));
  }

  readonly status: Store<Status>;
  readonly about = new Store<T.IAbout | null>(null);
  /** Null until the first answer, as models and datasets. */
  readonly clusters = new Store<readonly T.ICluster[] | null>(null);
  readonly runs = new Store<IRunsState>({ runs: [], counts: {}, known: false });
  readonly tasks = new Store<readonly T.ITask[]>([]);
  readonly models = new Store<readonly T.IModel[] | null>(null);
  readonly endpoints = new Store<readonly T.IEndpoint[]>([]);
  readonly datasets = new Store<readonly T.IDatasetRow[] | null>(null);
  readonly error = new Store<string | null>(null);
  readonly resources = new ResourceHistory();
  readonly settings = new Store<ISettings>(DEFAULTS);
  /** Which form of the sidebar is open: commands ask for one. */
  readonly asked = new Store<Form | null>(null);
  /** What was typed into the form for a cluster, for another attempt. */
  lastPlan: any = null;

  /** A task that has just ended. */
  get taskEnded(): ISignal<this, T.ITask> {
    return this._taskEnded;
  }

  /** Look for datasets now and then, as often as the settings say. */
  followDatasets(): () => void {
    let timer: ReturnType<typeof setInterval> | undefined;
    const restart = () => {
      clearInterval(timer);
      const { datasetInterval } = this.settings.value;
      timer = datasetInterval
        ? setInterval(() => {
            if (!document.hidden && this.status.value === 'live') {
              void this.refreshDatasets();
            }
          }, datasetInterval * 1000)
        : undefined;
    };
    const leave = this.settings.subscribe(restart);
    restart();
    return () => {
      leave();
      clearInterval(timer);
    };
  }

  /** Ask again for what the stream does not bring. */
  async refresh(): Promise<void> {
    await Promise.all([
      this.api.about().then(
        about => this.about.set(about),
        () => undefined // the sidebar says that the server is not there
      ),
      this.refreshDatasets()
    ]);
  }

  async refreshDatasets(): Promise<void> {
    try {
      this.datasets.set((await this.api.datasets()).datasets);
    } catch (error) {
      this.error.set((error as Error).message);
    }
  }

  /** Failures of tasks that the user has read. */
  readonly dismissed = new Store<ReadonlySet<string>>(new Set());

  dismiss(id: string): void {
    this.dismissed.set(new Set(this.dismissed.value).add(id));
  }

  /** Wait for a request; what goes wrong is shown at the top of the sidebar. */
  async attempt<R>(request: Promise<R>): Promise<R | undefined> {
    try {
      return await request;
    } catch (error) {
      this.error.set((error as Error).message);
      return undefined;
    }
  }

  /** Show a task from the answer that started it on; the stream brings the rest. */
  addTask(task: T.ITask): void {
    if (!this.tasks.value.some(known => known.id === task.id)) {
      this.tasks.set([...this.tasks.value, task]);
    }
  }

  /** Wait for the end of a task. */
  untilEnded(id: string): Promise<T.ITask> {
    const ended = this.tasks.value.find(task => task.id === id && task.state !== 'running');
    return ended
      ? Promise.resolve(ended)
      : new Promise(resolve => {
          const hear = (_: this, task: T.ITask) => {
            if (task.id === id) {
              this._taskEnded.disconnect(hear);
              resolve(task);
            }
          };
          this._taskEnded.connect(hear);
        });
  }

  /** Fetch older runs behind those that are known. Returns false when there are no more. */
  async moreRuns(limit = 100): Promise<boolean> {
    const { runs } = this.runs.value;
    const before = runs.length ? runs[runs.length - 1].id : undefined;
    const older = await this.api.runs({ limit, before });
    this._takeRuns({ runs: older.runs, counts: older.counts, full: false });
    return older.runs.length === limit;
  }

  private _takeRuns(data: T.ITopics['runs']): void {
    const before = this.runs.value.runs;
    const byId = new Map((data.full ? [] : before).map(run => [run.id, run]));
    for (const run of data.runs) {
      byId.set(run.id, run);
    }
    const runs = [...byId.values()].sort((a, b) => number(b.id) - number(a.id));
    this.runs.set({ runs, counts: data.counts, known: true });
    if (data.full && before.length > runs.length) {
      void this.attempt(this.moreRuns(before.length - runs.length)); // the older ones, afresh
    }
  }

  private _takeTasks(tasks: readonly T.ITask[]): void {
    const before = new Map(this.tasks.value.map(task => [task.id, task.state]));
    this.tasks.set(tasks);
    for (const task of tasks) {
      if (task.state !== 'running' && before.get(task.id) === 'running') {
        this._taskEnded.emit(task);
        if (task.kind.startsWith('data')) {
          void this.refreshDatasets();
        }
      }
    }
  }

  private _taskEnded = new Signal<this, T.ITask>(this);
}

function number(id: string): number {
  return Number(id.slice(1));
}
