/** The REST API, typed; each function is one request. */
import type * as T from './types';

/** Sends one request under `lepton/api/` and gives its document. */
export type Request = (method: string, path: string, body?: unknown) => Promise<any>;

/** What the server answered instead; `message` is written for people. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly kind = 'Error',
    readonly status = 0,
    readonly forcible = false
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

type Query = Record<string, string | number | boolean | null | undefined>;

/** Write a query string; what is empty is left out. */
export function query(values: Query): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && value !== null && value !== '') {
      search.set(name, typeof value === 'boolean' ? (value ? '1' : '0') : `${value}`);
    }
  }
  const text = search.toString();
  return text ? `?${text}` : '';
}

const quote = encodeURIComponent;

export class Api {
  constructor(private _request: Request) {}

  about(): Promise<T.IAbout> {
    return this._get('about');
  }

  clusters(): Promise<{ clusters: T.ICluster[] }> {
    return this._get('clusters');
  }
  startCluster(plan: T.IClusterPlan): Promise<T.ITask<T.ICluster>> {
    return this._request('POST', 'clusters', plan);
  }
  stopCluster(name: string, force = false): Promise<void> {
    return this._request('DELETE', `clusters/${quote(name)}${query({ force })}`);
  }
  scaleCluster(name: string, workers: number | string, force = false): Promise<T.ICluster> {
    return this._request('POST', `clusters/${quote(name)}/scale`, {
      workers,
      force
    });
  }
  clusterCode(name: string): Promise<{ code: string }> {
    return this._get(`clusters/${quote(name)}/code`);
  }

  runs(
    which: {
      limit?: number;
      before?: string;
      state?: string;
      query?: string;
      sweep?: string;
    } = {}
  ): Promise<T.IRunList> {
    return this._get(`runs${query(which)}`);
  }
  run(id: string): Promise<T.IRun> {
    return this._get(`runs/${quote(id)}`);
  }
  history(id: string, full = false): Promise<T.IHistory> {
    return this._get(`runs/${quote(id)}/history${query({ full: full || null })}`);
  }
  output(
    id: string,
    part: { start?: number; limit?: number; tail?: number } = {}
  ): Promise<T.IOutput> {
    return this._get(`runs/${quote(id)}/output${query(part)}`);
  }
  cancelRun(id: string, force = false): Promise<T.IRun> {
    return this._request('POST', `runs/${quote(id)}/cancel`, { force });
  }
  /** Cancel what runs of a sweep; a search chooses no more. */
  cancelSweep(id: string): Promise<unknown> {
    return this._request('POST', `runs/${quote(id)}/cancel`, {});
  }
  /** Have a search go on with what it has learned. */
  resumeSweep(id: string): Promise<unknown> {
    return this._request('POST', `runs/${quote(id)}/resume`, {});
  }
  rerun(id: string): Promise<T.IRun | { id: string; runs: T.IRun[] }> {
    return this._request('POST', `runs/${quote(id)}/rerun`, {});
  }
  /** Compare runs, or the runs of sweeps. */
  compare(ids: string[]): Promise<T.IComparison> {
    return this._get(`compare${query({ ids: ids.join(',') })}`);
  }

  datasets(): Promise<{ datasets: T.IDatasetRow[] }> {
    return this._get('datasets');
  }
  dataset(path: string): Promise<T.IDataset> {
    return this._get(`datasets/info${query({ path })}`);
  }
  preview(path: string, count = 12, start = 0): Promise<T.IPreview> {
    return this._get(`datasets/preview${query({ path, count, start })}`);
  }
  /** How many samples each label has; null where there are none to count. */
  labels(path: string): Promise<{ labels: T.ILabels | null }> {
    return this._get(`datasets/labels${query({ path })}`);
  }
  /** How far labelling is; null where it has not begun. */
  labelling(path: string): Promise<{ labels: T.ILabelling | null }> {
    return this._get(`labels${query({ path })}`);
  }
  /** Do what the labelling page asks. */
  label(request: Record<string, unknown> & { path: string }): Promise<any> {
    return this._request('POST', 'labels', request);
  }
  /** The module and the look of a page that notebooks show too. */
  page(name: string): Promise<{ script: string; style: string }> {
    return this._get(`pages/${quote(name)}`);
  }
  importDataset(plan: T.IImportPlan): Promise<T.ITask> {
    return this._request('POST', 'datasets', plan);
  }
  versions(path: string): Promise<{ versions: T.IVersion[] }> {
    return this._get(`datasets/versions${query({ path })}`);
  }
  /** What has changed from the version `old` to `to`, or to the dataset as it is. */
  difference(path: string, old: string, to?: string): Promise<T.IDifference> {
    return this._get(`datasets/diff${query({ path, old, new: to })}`);
  }
  snapshot(path: string, name: string): Promise<T.ITask> {
    return this._request('POST', 'datasets/snapshot', { path, name });
  }
  restore(path: string, name: string, force = false): Promise<T.ITask> {
    return this._request('POST', 'datasets/restore', { path, name, force });
  }
  verify(path: string): Promise<T.ITask> {
    return this._request('POST', 'datasets/verify', { path });
  }
  tier(
    path: string,
    how: { policy?: string; importance?: number; dry_run?: boolean }
  ): Promise<T.ITask> {
    return this._request('POST', 'datasets/tier', { path, ...how });
  }

  models(): Promise<{ models: T.IModel[] }> {
    return this._get('models');
  }
  model(name: string): Promise<T.IModel> {
    return this._get(`models/${quote(name)}`);
  }
  saveModel(run: string, name: string, note?: string): Promise<T.ITask> {
    return this._request('POST', 'models', { run, name, note });
  }
  deploy(
    name: string,
    how: { version?: number; workers?: number; runtime?: string } = {}
  ): Promise<T.ITask<T.IEndpoint>> {
    return this._request('POST', `models/${quote(name)}/deploy`, how);
  }
  promote(name: string, version: number): Promise<T.IModel> {
    return this._request('POST', `models/${quote(name)}/promote`, { version });
  }
  dropModel(name: string, version?: number, force = false): Promise<void> {
    return this._request('DELETE', `models/${quote(name)}${query({ version, force })}`);
  }
  endpoints(): Promise<{ endpoints: T.IEndpoint[] }> {
    return this._get('endpoints');
  }
  stopEndpoint(name: string): Promise<void> {
    return this._request('DELETE', `endpoints/${quote(name)}`);
  }
  predict(
    name: string,
    what: { inputs: unknown } | { sample: { path: string; index: number } | { stored: number } }
  ): Promise<T.IPrediction> {
    return this._request('POST', `endpoints/${quote(name)}/predict`, what);
  }

  resources(seconds = 3600): Promise<T.IResourceHistory> {
    return this._get(`resources${query({ seconds })}`);
  }
  keep(): Promise<void> {
    return this._request('POST', 'keep');
  }
  tasks(): Promise<{ tasks: T.ITask[] }> {
    return this._get('tasks');
  }
  cancelTask(id: string): Promise<void> {
    return this._request('DELETE', `tasks/${quote(id)}`);
  }

  private _get(path: string): Promise<any> {
    return this._request('GET', path);
  }
}
