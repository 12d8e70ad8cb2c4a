/** Names of the commands, and what whoever registers commands and pages is given. */
import type { ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import type { ICommandPalette, IThemeManager } from '@jupyterlab/apputils';
import type { ILauncher } from '@jupyterlab/launcher';
import type { INotebookTracker } from '@jupyterlab/notebook';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Api } from './api';
import type { IMemory } from './context';
import type { Lab } from './model';
import type { Stream } from './stream';

export const Commands = {
  show: 'lepton:show',
  newCluster: 'lepton:new-cluster',
  importData: 'lepton:import-data',
  runCell: 'lepton:run-cell',
  insertCode: 'lepton:insert-code', // {code, load?: true to put %load_ext before it}
  openNotebook: 'lepton:open-notebook', // {path, cell?}
  // Of src/pages:
  openRun: 'lepton:open-run', // {id}
  openComparison: 'lepton:open-comparison', // {ids: string[]}, runs or sweeps
  openResources: 'lepton:open-resources', // {}
  openDataset: 'lepton:open-dataset', // {path}
  openModel: 'lepton:open-model', // {name}
  openLabelling: 'lepton:open-labelling' // {path}
} as const;

/** The category of palette and launcher. */
export const CATEGORY = 'Lepton';

export interface ILepton {
  app: JupyterFrontEnd;
  api: Api;
  stream: Stream;
  lab: Lab;
  trans: TranslationBundle;
  memory: IMemory;
  palette: ICommandPalette | null;
  launcher: ILauncher | null;
  restorer: ILayoutRestorer | null;
  themes: IThemeManager | null;
  rendermime: IRenderMimeRegistry | null;
  notebooks: INotebookTracker | null;
}
