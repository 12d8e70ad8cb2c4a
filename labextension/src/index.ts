import {
  ILayoutRestorer,
  IRouter,
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette, IThemeManager } from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { Api } from './api';
import { CATEGORY, Commands, ILepton } from './commands';
import { requester, socketOpener } from './connection';
import { leptonIcon } from './icon';
import { Lab } from './model';
import { registerLinks, registerPages } from './pages';
import { SidebarPanel, viewContext } from './sidebar/panel';
import { Stream } from './stream';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'lepton-jlab:plugin',
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
    IRouter
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
    router: IRouter | null
  ) => {
    const settings = app.serviceManager.serverSettings;
    const trans = (translator ?? nullTranslator).load('lepton_jlab');
    const api = new Api(requester(settings));
    const stream = new Stream(socketOpener(settings));
    const lepton: ILepton = {
      app,
      api,
      stream,
      lab: new Lab(api, stream),
      trans,
      palette,
      launcher,
      restorer,
      themes,
      rendermime,
      notebooks
    };
    const panel = new SidebarPanel(viewContext(lepton));
    app.shell.add(panel, 'left', { rank: 150 });
    restorer?.add(panel, panel.id);

    app.commands.addCommand(Commands.show, {
      label: args => (args.isPalette ? trans.__('Show Lepton') : trans.__('Lepton')),
      caption: trans.__('Clusters, runs, data, models and resources'),
      icon: leptonIcon,
      execute: () => app.shell.activateById(panel.id)
    });
    palette?.addItem({
      command: Commands.show,
      category: CATEGORY,
      args: { isPalette: true }
    });
    launcher?.add({ command: Commands.show, category: CATEGORY });
    registerPages(lepton);
    if (router) {
      registerLinks(lepton, router);
    }
  }
};

export default plugin;
