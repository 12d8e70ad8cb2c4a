/** What every component is given: texts, the page's state, requests, commands. */
import * as React from 'react';
import type { Api } from './api';
import type { Lab } from './model';
import type { Store } from './store';

/** The part of a translation bundle that components use. */
export interface ITrans {
  __(text: string, ...values: any[]): string;
  _n(one: string, many: string, count: number, ...values: any[]): string;
}

export interface IViewContext {
  api: Api;
  lab: Lab;
  trans: ITrans;
  /** Run a command of JupyterLab. */
  execute(command: string, args?: Record<string, any>): void;
  /** What is remembered over reloads of the page: which sections are open, and the like. */
  memory: IMemory;
}

export interface IMemory {
  /** Until then it remembers nothing of what was before a reload. */
  readonly ready: Promise<void>;
  get(key: string): unknown;
  set(key: string, value: any): void;
}

const Context = React.createContext<IViewContext | null>(null);

export const LeptonProvider = Context.Provider;

export function useLepton(): IViewContext {
  const context = React.useContext(Context);
  if (!context) {
    throw new Error('A component of Lepton is used outside <LeptonProvider>');
  }
  return context;
}

/** The value of a store; the component is drawn again when it changes. */
export function useStore<T>(store: Store<T>): T {
  return React.useSyncExternalStore(store.subscribe, store.get);
}

/** State of a component that outlives the page. */
export function useMemory<T>(memory: IMemory, key: string, initial: T): [T, (value: T) => void] {
  const [value, setValue] = React.useState<T>(() => (memory.get(key) as T | undefined) ?? initial);
  return [
    value,
    next => {
      setValue(next);
      memory.set(key, next);
    }
  ];
}
