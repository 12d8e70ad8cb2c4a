/** What the sidebar remembers over reloads, in JupyterLab's state database. */
import type { IStateDB } from '@jupyterlab/statedb';
import type { IMemory } from './context';

const KEY = 'lepton-jlab:view';

/** The database answers only when JupyterLab has started, so nobody may wait for it before. */
export class Memory implements IMemory {
  constructor(private _database: IStateDB | null) {
    this.ready = (_database?.fetch(KEY) ?? Promise.resolve(undefined)).then(
      stored => void Object.assign(this._values, stored),
      () => undefined // nothing was stored that can be read
    );
  }

  readonly ready: Promise<void>;

  get(key: string): unknown {
    return this._values[key];
  }

  set(key: string, value: any): void {
    this._values[key] = value;
    void this._database?.save(KEY, this._values);
  }

  private _values: Record<string, any> = {};
}
