/** The documents of the REST API and the websocket. Times are seconds since the epoch, sizes bytes. */

export interface IAbout {
  version: string;
  root: string;
  gpus: number;
  cpus: number;
  memory: number;
  /** What is granted to this server, where it limits clusters. */
  granted: string | null;
  tensorflow: boolean;
  engines: string[];
  /** What each engine takes alone, as `%lepton cluster start` does. */
  engine_options: Record<string, IEngineOption[]>;
  codecs: string[];
  sources: string[];
}

export interface IEngineOption {
  name: string;
  label: string;
  help: string;
  /** What is taken without it, in words. */
  default: string | null;
  kind: 'text' | 'number' | 'choice' | 'switch';
  choices: string[];
  required: boolean;
}

/** What the topic `idle` says: seconds until the idle server is ended, null when that is not near. */
export interface IIdle {
  ends_in: number | null;
  binder: boolean;
}

export interface IWorker {
  id: string;
  host: string;
  devices: string[];
  run: string | null;
  runs: string[];
  slots: number;
  fault: string | null;
  threads: number;
  memory: number;
}

export interface ICluster {
  name: string;
  engine: string;
  address: string;
  workers: IWorker[];
  host_pid: number;
  connection_file: string;
  idle_timeout: number;
  /** How many workers there are to be; some may not be here yet. */
  wanted?: number;
  /** The fewest and the most, where it follows the runs. */
  adapt?: [number, number] | null;
  state: 'running' | 'starting' | 'stale' | 'unreachable';
}

export interface IClusterPlan {
  name?: string;
  engine?: string;
  workers?: number;
  threads?: number;
  memory?: string;
  idle_timeout?: string;
  tls_ca?: string;
  tls_cert?: string;
  tls_key?: string;
  adapt?: string;
  place?: string;
  /** Whether notebooks can have their kernel there, from the launcher. */
  kernel?: boolean;
  /** What belongs to one engine only. */
  options?: Record<string, unknown>;
}

export type RunState = 'queued' | 'running' | 'done' | 'failed' | 'cancelled' | 'lost';

export type ErrorKind =
  'exception' | 'signal' | 'exit' | 'memory' | 'timeout' | 'stall' | 'worker-lost' | 'budget';

/** What a run has cost: `parts` are the processor and each GPU. */
export interface ICost {
  energy_wh: number;
  energy: 'measured' | 'estimated';
  money: number;
  currency: string;
  parts: Record<string, { name?: string; energy_wh: number; money: number; hours: number }>;
}

/** What it was estimated to take; errors are shares. */
export interface IEstimate {
  seconds: number;
  energy_wh: number | null;
  money: number | null;
  currency: string | null;
  runs: number;
  typical_error: number | null;
  error: number | null;
}

/** How far a run is: Keras counts epochs and batches. */
export interface IRunProgress {
  epoch?: number;
  epochs?: number;
  batch?: number;
  batches?: number;
  [name: string]: unknown;
}

/** One process of a run that trains its model on several workers. */
export interface IReplica {
  rank: number;
  worker: string;
  host: string;
  device: string;
  state: string;
}

export interface IRunSummary {
  id: string;
  name: string | null;
  sweep: string | null;
  state: RunState;
  params: Record<string, unknown>;
  metrics: Record<string, number | null>;
  values: string[];
  phases: Record<string, number>;
  error: { kind: ErrorKind; message: string } | null;
  cluster: string;
  worker: string | null;
  devices: string[];
  cost: ICost | null;
  estimate: IEstimate | null;
  submitted: number;
  started: number | null;
  ended: number | null;
  progress: IRunProgress | null;
  place: number | null;
  attempt: number;
  /** The number of its trial in a search, and the step at which that ended it. */
  trial?: number | null;
  pruned?: number | null;
  replicas: IReplica[];
  spark: (number | null)[];
  spark_metric: string | null;
  notebook: string | null;
  cell: string | null;
}

export interface IArtifact {
  name: string;
  bytes: number;
}

export interface IRun extends IRunSummary {
  code: string;
  options: Record<string, unknown>;
  environment: Record<string, unknown> | null;
  /** Files of its folder. */
  artifacts: IArtifact[];
  folder: string;
  brought: unknown;
  streams: unknown[];
}

/** A table: one row a step, `null` where a metric was not logged. */
export interface IHistory {
  columns: string[];
  rows: (number | null)[][];
}

/** What a run said: `seq` counts on; the other fields are those of a Jupyter output. */
export interface IMessage {
  seq: number;
  [name: string]: any;
}

export interface IOutput {
  messages: IMessage[];
  next: number;
  more: boolean;
}

export type RunCounts = Partial<Record<RunState, number>>;

export interface IRunList {
  runs: IRunSummary[];
  total: number;
  counts: RunCounts;
}

export interface IComparison {
  runs: IRunSummary[];
  params: string[];
  metrics: string[];
  best: Record<string, string>;
  histories: Record<string, IHistory>;
  /** How those sweeps are searched, by id. */
  searches?: Record<string, ISearch>;
}

/** A search: how far it is, and by what it goes. */
export interface ISearch {
  trials: number;
  asked: number;
  search: string;
  prune: string;
  metric: string | null;
  mode: 'min' | 'max' | null;
  state: 'running' | 'done' | 'cancelled' | 'failed' | 'lost';
  error: string | null;
}

export interface IDatasetRow {
  name: string;
  path: string;
  samples: number | null;
  stored_bytes: number | null;
  error: string | null;
  place?: Record<string, unknown> | null;
}

export interface IArrayInfo {
  name: string;
  shape: number[];
  dims: string[];
  dtype: string;
  chunks: number[];
  shards: number[] | null;
  chunk_bytes: number;
  chunk_count: number;
  codecs: { name: string; configuration: Record<string, unknown> }[];
  checksum: boolean;
  verdict: string | null;
  original_bytes: number;
  stored_bytes: number | null;
  ratio: number | null;
}

export interface IDataset {
  name: string;
  path: string;
  place: Record<string, any> | null;
  zarr_format: number;
  samples: number;
  roles: Record<string, string>;
  classes: string[] | null;
  source: string | null;
  history: unknown[];
  arrays: IArrayInfo[];
  groups: Record<string, IDataset>;
  original_bytes: number;
  stored_bytes: number | null;
  ratio: number | null;
  storage?: Record<string, any> | null;
}

export interface ISample {
  index: number;
  image: string | null;
  text: string;
  label: string | null;
}

export interface IPreview {
  kind: 'image' | 'vector' | 'text' | 'table' | 'other';
  samples: ISample[];
}

export interface ILabelling {
  kind: string;
  classes: string[];
  samples: number;
  labelled: number;
  annotators: Record<string, number>;
}

export interface ILabels {
  names: string[];
  counts: number[];
  /** How many were counted, of how many. */
  samples: number;
  of: number;
}

export interface IDifference {
  old: string;
  new: string | null;
  same: boolean;
  arrays: {
    array: string;
    change: 'added' | 'removed' | 'changed' | 'stored';
    samples_changed: number;
    samples_added: number;
    samples_removed: number;
    /** Numbers of the first samples that changed. */
    first: number[];
  }[];
  attributes: { path: string; added: string[]; removed: string[]; changed: string[] }[];
}

export interface IImportPlan {
  source: string;
  path: string;
  codec?: string;
  for?: string;
  chunk?: string;
  shard?: string;
  max_error?: number;
  label?: string;
  force?: boolean;
}

export interface IVersion {
  name: string;
  created?: number;
  [name: string]: unknown;
}

export interface IEndpoint {
  name: string;
  version: number;
  url: string;
  runtime: string;
  pid: number;
  workers: number;
  started: number;
}

export interface ITensor {
  name: string;
  shape: (number | null)[];
  dtype: string;
}

export interface IModelVersion {
  version: number;
  created: number;
  note: string | null;
  run: string | null;
  metrics: Record<string, number | null>;
  bytes: number;
  inputs: ITensor[];
  outputs: ITensor[];
  classes: string[] | null;
  exports: unknown[];
  preprocessing: string[] | null;
}

export interface IModel {
  name: string;
  promoted: number;
  versions: IModelVersion[];
  endpoint: IEndpoint | null;
}

export interface IPrediction {
  outputs: unknown;
  classes: string[] | null;
  top: { class: string; score: number }[] | null;
  milliseconds: number;
}

export interface ITask<T = any> {
  id: string;
  kind: string;
  title: string;
  state: 'running' | 'done' | 'failed' | 'cancelled';
  progress: number | null;
  text: string;
  result: T | null;
  error: { kind: string; message: string } | null;
  started: number;
  ended: number | null;
}

export interface IGpuSample {
  index: number;
  name: string;
  uuid: string;
  use: number | null;
  memory: [number, number];
  power: number | null;
  power_limit: number | null;
  temperature: number | null;
  /** MHz. */
  clock?: number | null;
  /** Why its clock is lower than it could be. */
  throttled?: string[];
  /** Bytes a second, out and in. */
  pcie?: [number, number] | null;
  nvlink?: [number, number] | null;
  ecc?: { corrected: number; uncorrected: number } | null;
  mig?: { uuid: string; name: string }[] | null;
  processes: {
    pid: number;
    memory: number | null;
    run: string | null;
    kernel: string | null;
  }[];
}

export interface IResourceSample {
  t: number;
  /** What is not measured, and why. */
  message?: string | null;
  host: {
    cpu: number;
    memory: [number, number];
    disk: [number, number, number, number];
    network: [number, number];
    gpus: IGpuSample[];
  };
  workers: Record<
    string,
    {
      cpu: number;
      memory: [number, number];
      run: string | null;
      device: string;
    }
  >;
  runs: Record<string, { cpu: number; memory: number; gpu_memory: number | null }>;
  /** By cluster, of those with workers at several places: s, bytes/s, bytes, s since 1970. */
  links?: Record<
    string,
    {
      places: { label: string; workers: number }[];
      links: {
        from: string;
        to: string;
        rtt: number;
        goodput: number;
        moved: number;
        measured: number;
      }[];
    }
  >;
}

export interface IResourceHistory {
  interval: number;
  t: number[];
  series: Record<string, (number | null)[] | number>;
  gpus: { index: number; name: string; [fact: string]: unknown }[];
  message: string | null;
}

/** What each topic of the websocket carries. */
export interface ITopics {
  idle: IIdle;
  clusters: { clusters: ICluster[] };
  runs: { runs: IRunSummary[]; counts: RunCounts; full: boolean };
  resources: { history?: IResourceHistory; sample?: IResourceSample };
  tasks: { tasks: ITask[] };
  models: { models: IModel[] };
  endpoints: { endpoints: IEndpoint[] };
  error: { message: string };
}

/** Of topic `run/r17`. `history` and `messages` are what is new, or all of it when `full`. */
export interface IRunEvent {
  run: IRun;
  history: IHistory;
  messages: IMessage[];
  full: boolean;
}
