/** What the sidebar does in notebooks: insert code, run a cell as a run, go to a cell. */
import { Clipboard, Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import type { Cell } from '@jupyterlab/cells';
import { NotebookActions, NotebookPanel } from '@jupyterlab/notebook';
import { Commands, ILepton } from './commands';
import { leptonIcon } from './icon';

const LOAD = '%load_ext lepton_jlab';
const IMPORT = 'import lepton_jlab as lepton';
const MAGIC = '%%lepton run';

export function registerNotebookCommands(lepton: ILepton): void {
  const { app, trans, notebooks } = lepton;
  const isEnabled = () => !!notebooks?.currentWidget?.content.activeCell;

  app.commands.addCommand(Commands.runCell, {
    label: args => (args.toolbar ? '' : trans.__('Run This Cell as a Lepton Run')),
    caption: trans.__('Run this cell on the cluster; the notebook stays free meanwhile'),
    icon: leptonIcon,
    isEnabled,
    execute: () => runCell(lepton, notebooks?.currentWidget ?? null)
  });
  app.commands.addCommand(Commands.insertCode, {
    label: trans.__('Insert Code of Lepton'),
    execute: args => insertCode(lepton, String(args.code), args.load === true)
  });
  app.commands.addCommand(Commands.openNotebook, {
    label: trans.__('Go to the Cell of a Run'),
    execute: args => goTo(lepton, String(args.path), args.cell as string | null)
  });
  // The sidebar was what had the focus: enabledness follows the notebook, not the shell.
  notebooks?.activeCellChanged.connect(() => app.commands.notifyCommandChanged(Commands.runCell));
}

/** Mark a cell as a run, so that the saved notebook says what happened, and execute it. */
async function runCell(lepton: ILepton, panel: NotebookPanel | null): Promise<void> {
  const cell = panel?.content.activeCell;
  if (!panel || !cell || cell.model.type !== 'code' || !(await ready(lepton, panel))) {
    return;
  }
  const source = cell.model.sharedModel.getSource();
  if (!source.trim()) {
    Notification.info(lepton.trans.__('This cell is empty: there is nothing to run.'), {
      autoClose: 3000
    });
    return;
  }
  if (!/^\s*%%lepton\b/.test(source)) {
    cell.model.sharedModel.setSource(`${MAGIC}\n${source}`);
  }
  await NotebookActions.run(panel.content, panel.sessionContext);
}

/** Have a cluster, and the magics in the kernel; false when the user does not want to. */
async function ready(lepton: ILepton, panel: NotebookPanel): Promise<boolean> {
  const { api, lab, trans } = lepton;
  if (lab.clusters.value?.length === 0) {
    const answer = await showDialog({
      title: trans.__('No cluster is running'),
      body: trans.__('Start one on this machine, and run the cell there?'),
      buttons: [
        Dialog.cancelButton({ label: trans.__('Cancel') }),
        Dialog.okButton({ label: trans.__('Start and run') })
      ]
    });
    if (!answer.button.accept) {
      return false;
    }
    const task = await lab.attempt(api.startCluster({ engine: lab.settings.value.defaultEngine }));
    if (!task) {
      await lepton.app.commands.execute(Commands.show);
      return false;
    }
    lab.addTask(task);
    const ended = await lab.untilEnded(task.id);
    if (ended.state !== 'done') {
      Notification.error(
        trans.__('The cluster did not start: %1', ended.error?.message ?? ended.state)
      );
      return false;
    }
  }
  await load(panel);
  return true;
}

/** Load the magics by a cell that is kept, or unseen when the notebook has such a cell. */
async function load(panel: NotebookPanel): Promise<void> {
  const model = panel.content.model?.sharedModel;
  const kernel = panel.sessionContext.session?.kernel;
  if (!model || !kernel) {
    return;
  }
  const kept = model.cells.some(cell => cell.getSource().includes(LOAD));
  if (!kept) {
    model.insertCell(firstCode(panel), {
      cell_type: 'code',
      source: `${LOAD}\n${IMPORT}`,
      metadata: {}
    });
  }
  // Quiet, and only where it is not there: a second %load_ext would print a line.
  await kernel.requestExecute({
    code: `get_ipython().extension_manager.load_extension('lepton_jlab')\n${IMPORT}`,
    silent: true,
    store_history: false
  }).done;
}

function firstCode(panel: NotebookPanel): number {
  const cells = panel.content.model?.sharedModel.cells ?? [];
  const index = cells.findIndex(cell => cell.cell_type === 'code');
  return Math.max(0, index);
}

/** Put code into a new cell below the active one; into a new notebook where none is open. */
async function insertCode(lepton: ILepton, code: string, withLoad: boolean): Promise<void> {
  const { app, notebooks, trans } = lepton;
  let panel = notebooks?.currentWidget ?? null;
  if (!panel && notebooks && app.commands.hasCommand('notebook:create-new')) {
    panel = (await app.commands.execute('notebook:create-new', {
      kernelName: app.serviceManager.kernelspecs.specs?.default
    })) as NotebookPanel;
    await panel.context.ready;
  }
  const model = panel?.content.model?.sharedModel;
  if (!panel || !model) {
    Clipboard.copyToSystem(code);
    Notification.info(trans.__('No notebook is open: the code was copied.'), { autoClose: 4000 });
    return;
  }
  if (withLoad && !code.includes(LOAD)) {
    if (!model.cells.some(cell => cell.getSource().includes(LOAD))) {
      put(panel, `${LOAD}\n${IMPORT}`);
    }
  }
  put(panel, code);
  app.shell.activateById(panel.id);
}

/** Use the active cell when it is empty, else a new one below it. */
function put(panel: NotebookPanel, source: string): void {
  const { content } = panel;
  const active = content.activeCell;
  if (active?.model.type === 'code' && !active.model.sharedModel.getSource().trim()) {
    active.model.sharedModel.setSource(source);
    return;
  }
  const index = content.activeCellIndex + 1;
  content.model?.sharedModel.insertCell(index, { cell_type: 'code', source, metadata: {} });
  content.activeCellIndex = index;
}

async function goTo(lepton: ILepton, path: string, cell: string | null): Promise<void> {
  const { app, trans } = lepton;
  const panel = (await app.commands.execute('docmanager:open', { path })) as
    NotebookPanel | undefined;
  if (!panel?.context) {
    Notification.warning(trans.__('%1 cannot be opened.', path));
    return;
  }
  await panel.context.ready;
  const { content } = panel;
  const index = content.widgets?.findIndex((each: Cell) => each.model.id === cell) ?? -1;
  if (index >= 0) {
    content.activeCellIndex = index;
    await content.scrollToItem(index, 'smart');
  } else if (cell) {
    Notification.info(trans.__('The cell is no longer in %1.', path), { autoClose: 4000 });
  }
}
