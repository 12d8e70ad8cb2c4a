/** One run as its page has it: record, metrics by step, output; replayed, then followed. */
import type { Api } from '../../api';
import type { Stream } from '../../stream';
import type { IHistory, IMessage as IAnyMessage, IRun, IRunEvent } from '../../types';
import { IMessage, Transcript } from './transcript';

const PART = 2000; // messages in one answer

/** Metrics by step; what is logged twice for a step is what was logged last. */
export class Steps {
  private _rows = new Map<number, Record<string, number | null>>();
  private _sorted = true;
  private _last = -Infinity;
  names: string[] = [];

  get size(): number {
    return this._rows.size;
  }

  take(history: IHistory): boolean {
    const at = history.columns.indexOf('step');
    if (at < 0) {
      return false;
    }
    for (const cells of history.rows) {
      const step = cells[at] ?? 0;
      const row = this._rows.get(step) ?? {};
      history.columns.forEach((name, i) => {
        if (cells[i] !== null && cells[i] !== undefined) {
          row[name] = cells[i];
          if (name !== 'step' && name !== 't' && !this.names.includes(name)) {
            this.names = [...this.names, name];
          }
        }
      });
      this._rows.set(step, row);
      this._sorted &&= step >= this._last;
      this._last = Math.max(this._last, step);
    }
    return history.rows.length > 0;
  }

  clear(): void {
    this._rows.clear();
    this.names = [];
    this._sorted = true;
    this._last = -Infinity;
  }

  /** The steps, and each metric in the same order. */
  columns(): {
    step: number[];
    t: Array<number | null>;
    metrics: Map<string, Array<number | null>>;
  } {
    let rows = [...this._rows.entries()];
    if (!this._sorted) {
      rows = rows.sort((a, b) => a[0] - b[0]);
    }
    const metrics = new Map<string, Array<number | null>>();
    for (const name of this.names) {
      metrics.set(
        name,
        rows.map(([, row]) => row[name] ?? null)
      );
    }
    return { step: rows.map(([step]) => step), t: rows.map(([, row]) => row.t ?? null), metrics };
  }
}

export type Loading = 'loading' | 'ready' | 'failed';

export class RunFeed {
  run: IRun | null = null;
  readonly steps = new Steps();
  readonly transcript = new Transcript();
  loading: Loading = 'loading';
  replaying = true;
  fault: string | null = null;
  /** Raised at each change of the part, so that views know what to draw anew. */
  revision = { run: 0, steps: 0, output: 0 };

  constructor(
    readonly id: string,
    private _api: Api,
    private _stream: Stream
  ) {}

  /** Begin; the returned function ends it. */
  start(): () => void {
    this._stopped = false;
    void this._load();
    const subscription = this._stream.subscribe(`run/${this.id}`, event => this._event(event));
    return () => {
      this._stopped = true;
      subscription.dispose();
    };
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this._listeners.add(listener);
    return () => {
      this._listeners.delete(listener);
    };
  };

  reload(): void {
    this.fault = null;
    this.loading = 'loading';
    this._tell();
    void this._load();
  }

  /** Take a record from an answer: of a cancel, say. */
  takeRun(run: IRun): void {
    if (this.run && run.attempt > this.run.attempt) {
      this.steps.clear();
      this.revision.steps++;
    }
    this.run = { ...this.run, ...run };
    this.loading = 'ready';
    this.revision.run++;
  }

  private async _load(): Promise<void> {
    try {
      this.takeRun(await this._api.run(this.id));
      if (this._stopped) {
        return;
      }
      this._tell();
      if (this.steps.take(await this._api.history(this.id))) {
        this.revision.steps++;
      }
      this._tell();
      await this._replay();
    } catch (error) {
      this.fault = (error as Error).message;
      this.loading = this.run ? 'ready' : 'failed';
    }
    this._tell();
  }

  /** Fetch output from where it is known to: in parts, so that the page stays smooth. */
  private async _replay(): Promise<void> {
    this.replaying = true;
    let more = true;
    while (more && !this._stopped) {
      const part = await this._api.output(this.id, { start: this.transcript.next, limit: PART });
      await this._take(part.messages);
      this.transcript.next = Math.max(this.transcript.next, part.next);
      more = part.more && part.messages.length > 0;
    }
    this.replaying = false;
    const waiting = this._waiting;
    this._waiting = [];
    this._messages(waiting);
    this.revision.output++;
  }

  /** Apply messages a piece at a time, with a breath between pieces: 10 MB take a second. */
  private async _take(messages: readonly IAnyMessage[]): Promise<void> {
    let begun = performance.now();
    for (const message of messages as IMessage[]) {
      if (this.transcript.take([message])) {
        this.revision.output++;
      }
      if (performance.now() - begun > 12) {
        this._tell();
        await new Promise(resolve => setTimeout(resolve, 0));
        begun = performance.now();
      }
    }
  }

  private _event(event: IRunEvent): void {
    if (event.run) {
      this.takeRun(event.run);
    }
    if (event.history && this.steps.take(event.history)) {
      this.revision.steps++;
    }
    if (event.messages?.length) {
      this._messages(event.messages as IMessage[]);
    }
    this._tell();
  }

  private _messages(messages: IMessage[]): void {
    if (!messages.length) {
      return;
    }
    if (this.replaying) {
      this._waiting = [...this._waiting, ...messages];
    } else if (messages[0].seq > this.transcript.next) {
      void this._replay().then(() => this._tell()); // some were missed
    } else if (this.transcript.take(messages)) {
      this.revision.output++;
    }
  }

  private _tell(): void {
    if (!this._due) {
      this._due = true;
      requestAnimationFrame(() => {
        this._due = false;
        this._listeners.forEach(listener => listener());
      });
    }
  }

  private _listeners = new Set<() => void>();
  private _waiting: IMessage[] = [];
  private _due = false;
  private _stopped = false;
}
