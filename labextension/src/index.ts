/** The plugin: what it adds to JupyterLab, and what it needs of it. */
import {
  ILayoutRestorer,
  IRouter,
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette, IThemeManager, Notification } from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStateDB } from '@jupyterlab/statedb';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { Api } from './api';
import { CATEGORY, Commands, ILepton } from './commands';
import { requester, socketOpener } from './connection';
import { leptonIcon } from './icon';
import { followIdleness } from './idle';
import { Memory } from './memory';
import { DEFAULTS, Form, ISettings, Lab } from './model';
import { registerNotebookCommands } from './notebook';
import { registerLinks, registerPages } from './pages';
import { SidebarPanel, viewContext } from './sidebar/panel';
import { StatusItem } from './status';
import { Stream } from './stream';

const KERNEL_DELAY = 1000; // ms: a new cluster is offered just after it is there
const ID = 'lepton-jlab:plugin';

const plugin: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: 'Clusters, runs, data, models and resources beside the notebook.',
  autoStart: true,
  optional: [
    ITranslator,
    ILayoutRestorer,
    ICommandPalette,
    ILauncher,
    IThemeManager,
    IRenderMimeRegistry,
    INotebookTracker,
    IRouter,
    ISettingRegistry,
    IStateDB,
    IStatusBar
  ],
  activate: (
    app: JupyterFrontEnd,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    launcher: ILauncher | null,
    themes: IThemeManager | null,
    rendermime: IRenderMimeRegistry | null,
    notebooks: INotebookTracker | null,
    router: IRouter | null,
    registry: ISettingRegistry | null,
    database: IStateDB | null,
    statusBar: IStatusBar | null
  ) => {
    const { serverSettings } = app.serviceManager;
    const trans = (translator ?? nullTranslator).load('lepton_jlab');
    const api = new Api(requester(serverSettings));
    const stream = new Stream(socketOpener(serverSettings));
    const lab = new Lab(api, stream);
    const memory = new Memory(database);
    const lepton: ILepton = {
      app,
      api,
      stream,
      lab,
      trans,
      memory,
      palette,
      launcher,
      restorer,
      themes,
      rendermime,
      notebooks
    };
    void followSettings(registry, lab);
    lab.followDatasets();
    followKernels(app, lab);
    followIdleness(stream, () => void lab.attempt(api.keep()), trans, Notification);

    const panel = new SidebarPanel(viewContext(lepton), memory.ready);
    app.shell.add(panel, 'left', { rank: 150, type: 'Lepton' });
    restorer?.add(panel, panel.id);
    registerSidebarCommands(lepton, panel.id);
    registerNotebookCommands(lepton);
    registerPages(lepton);
    if (router) {
      registerLinks(lepton, router);
    }
    statusBar?.registerStatusItem('lepton-jlab:status', {
      item: new StatusItem(lab, trans, () => void app.commands.execute(Commands.show)),
      align: 'left',
      rank: 50
    });
    for (const command of [Commands.newCluster, Commands.importData, Commands.runCell]) {
      palette?.addItem({ command, category: CATEGORY });
    }
  }
};

function registerSidebarCommands(lepton: ILepton, panel: string): void {
  const { app, lab, trans, palette, launcher } = lepton;
  app.commands.addCommand(Commands.show, {
    label: args => (args.isPalette ? trans.__('Show Lepton') : trans.__('Lepton')),
    caption: trans.__('Clusters, runs, data, models and resources'),
    icon: args => (args.isPalette ? undefined : leptonIcon),
    execute: () => app.shell.activateById(panel)
  });
  const forms: [string, string, Form][] = [
    [Commands.newCluster, trans.__('New Cluster…'), 'cluster'],
    [Commands.importData, trans.__('Import Data…'), 'import']
  ];
  for (const [command, label, form] of forms) {
    app.commands.addCommand(command, {
      label,
      execute: () => {
        app.shell.activateById(panel);
        lab.asked.set(form);
      }
    });
  }
  palette?.addItem({ command: Commands.show, category: CATEGORY, args: { isPalette: true } });
  launcher?.add({ command: Commands.show, category: CATEGORY });
}

/** Kernels on the workers of a cluster come to the launcher, and leave it, with the cluster. */
function followKernels(app: JupyterFrontEnd, lab: Lab): void {
  let known = '';
  lab.clusters.subscribe(() => {
    const names = JSON.stringify(lab.clusters.value?.map(cluster => [cluster.name, cluster.state]));
    if (names !== known) {
      known = names;
      setTimeout(() => void app.serviceManager.kernelspecs.refreshSpecs(), KERNEL_DELAY);
    }
  });
}

async function followSettings(registry: ISettingRegistry | null, lab: Lab): Promise<void> {
  if (!registry) {
    return;
  }
  const settings = await registry.load(ID);
  const take = () =>
    lab.settings.set({ ...DEFAULTS, ...(settings.composite as Partial<ISettings>) });
  settings.changed.connect(take);
  take();
}

export default plugin;
