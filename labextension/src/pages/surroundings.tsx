/** What pages ask of JupyterLab, so that no page imports it. */
import * as React from 'react';

export interface ISurroundings {
  /** Ask before something is done that cannot be undone. */
  confirm(title: string, body: string, accept: string): Promise<boolean>;
  /** Ask for one line of text; null when the person changed their mind. */
  ask(title: string, label: string, text?: string): Promise<string | null>;
  /** Draw a MIME bundle as JupyterLab does in a notebook; null: it cannot. */
  draw(data: Record<string, any>, metadata: Record<string, any>): IDrawn | null;
  /** The address that opens a page: `run:r17`. */
  link(page: string): string;
}

export interface IDrawn {
  node: HTMLElement;
  dispose(): void;
}

export const Surroundings = React.createContext<ISurroundings>({
  confirm: async () => true,
  ask: async () => null,
  draw: () => null,
  link: page => `?lepton=${page}`
});

export function useSurroundings(): ISurroundings {
  return React.useContext(Surroundings);
}
