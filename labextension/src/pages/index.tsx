/** The pages of the main area: one widget per thing, opened by command or link, restored. */
import { IRouter } from '@jupyterlab/application';
import { WidgetTracker } from '@jupyterlab/apputils';
import { UUID } from '@lumino/coreutils';
import * as React from 'react';
import { CATEGORY, Commands, ILepton } from '../commands';
import { leptonIcon } from '../icon';
import { ComparePage } from './compare';
import { DatasetPage } from './dataset';
import { LabelPage } from './label';
import { parsePage } from './links';
import { ModelPage } from './model';
import { ResourcesPage } from './resources';
import { RunPage } from './run';
import { IPageArgs, Page, PageWidget } from './shell';

const OPEN = 'lepton:open-page'; // {kind, key}
const FOLLOW = 'lepton:follow-link';

export function registerPages(lepton: ILepton): void {
  const { app, trans, palette, launcher, restorer } = lepton;
  const tracker = new WidgetTracker<PageWidget>({ namespace: 'lepton-page' });

  const open = (args: IPageArgs): PageWidget => {
    const found = tracker.find(widget => same(widget.args, args));
    const widget = found ?? create(lepton, args, tracker);
    if (!widget.isAttached) {
      app.shell.add(widget, 'main');
    }
    app.shell.activateById(widget.id);
    return widget;
  };
  const command = (
    id: string,
    label: string,
    properties: string[],
    args: (given: any) => IPageArgs | null,
    caption?: string
  ) =>
    app.commands.addCommand(id, {
      label,
      caption,
      icon: leptonIcon,
      describedBy: { args: described(properties) },
      execute: given => {
        const wanted = args(given ?? {});
        return wanted && open(wanted);
      }
    });

  command(
    OPEN,
    trans.__('Open a Lepton page'),
    ['kind', 'key', 'place'],
    given => given as IPageArgs
  );
  command(Commands.openRun, trans.__('Open run'), ['id'], ({ id }) =>
    id && String(id).startsWith('s')
      ? { kind: 'compare', key: String(id) }
      : id && { kind: 'run', key: String(id) }
  );
  command(Commands.openComparison, trans.__('Compare runs'), ['ids'], ({ ids }) => ({
    kind: 'compare',
    key: [...(ids ?? [])].join(',')
  }));
  command(
    Commands.openResources,
    trans.__('Resources'),
    [],
    () => ({ kind: 'resources', key: '' }),
    trans.__('Processor, memory, disk, network and GPUs, live')
  );
  command(
    Commands.openDataset,
    trans.__('Open dataset'),
    ['path'],
    ({ path }) => path && { kind: 'dataset', key: String(path) }
  );
  command(
    Commands.openLabelling,
    trans.__('Label samples'),
    ['path'],
    ({ path }) => path && { kind: 'label', key: String(path) }
  );
  command(
    Commands.openModel,
    trans.__('Open model'),
    ['name'],
    ({ name }) => name && { kind: 'model', key: String(name) }
  );
  for (const id of [Commands.openResources, Commands.openComparison]) {
    palette?.addItem({ command: id, category: CATEGORY });
  }
  launcher?.add({ command: Commands.openResources, category: CATEGORY });

  if (restorer) {
    void restorer.restore(tracker, {
      command: OPEN,
      args: widget => ({ ...widget.args }),
      name: widget => widget.args.place ?? ''
    });
  }
}

/** `…/lab?lepton=run:r17` opens the page of that run. */
export function registerLinks(lepton: ILepton, router: IRouter): void {
  const { commands, restored } = lepton.app;
  commands.addCommand(FOLLOW, {
    label: lepton.trans.__('Follow a link to a Lepton page'),
    describedBy: { args: described(['path', 'search', 'hash']) },
    execute: given => {
      const location = given as unknown as IRouter.ILocation;
      const search = new URLSearchParams(location.search ?? '');
      const page = parsePage(search.get('lepton') ?? '');
      if (!page) {
        return;
      }
      // Afterwards, else the layout that comes back would cover it. Not awaited: the layout itself
      // waits until all that routes to do is done.
      void restored.then(() => {
        search.delete('lepton');
        const rest = search.toString();
        // Out of the address: a reload restores the layout, it does not open the page again.
        router.navigate(`${location.path}${rest ? `?${rest}` : ''}${location.hash ?? ''}`, {
          skipRouting: true
        });
        void commands.execute(OPEN, { ...page });
      });
    }
  });
  router.register({ command: FOLLOW, pattern: /[?&]lepton=[^&]+/, rank: 10 });
}

/** The schema of a command's arguments: text, or `ids`, a list of it. */
function described(names: string[]): any {
  return {
    type: 'object',
    properties: Object.fromEntries(
      names.map(name => [
        name,
        name === 'ids' ? { type: 'array', items: { type: 'string' } } : { type: 'string' }
      ])
    )
  };
}

function same(one: IPageArgs, other: IPageArgs): boolean {
  return one.kind === other.kind && one.key === other.key;
}

function create(lepton: ILepton, args: IPageArgs, tracker: WidgetTracker<PageWidget>): PageWidget {
  const change = (key: string) => {
    widget.args = { ...widget.args, key };
    entitle();
    widget.content.update();
    void tracker.save(widget);
  };
  const entitle = (name?: string | null) => {
    widget.title.label = titleOf(lepton, widget.args, name);
    widget.title.caption = `Lepton: ${widget.title.label}`;
  };
  const draw = () => {
    const { kind, key } = widget.args;
    switch (kind) {
      case 'run':
        return <RunPage id={key} onName={entitle} />;
      case 'compare':
        return (
          <ComparePage ids={key.split(',').filter(Boolean)} onIds={ids => change(ids.join(','))} />
        );
      case 'dataset':
        return <DatasetPage path={key} />;
      case 'label':
        return <LabelPage path={key} />;
      case 'model':
        return <ModelPage name={key} />;
      default:
        return <ResourcesPage />;
    }
  };
  const widget: PageWidget = new PageWidget(new Page(lepton, draw), {
    place: UUID.uuid4(),
    ...args
  });
  widget.id = `lepton-${args.kind}-${counter++}`;
  entitle();
  void tracker.add(widget);
  return widget;
}

let counter = 0;

function titleOf(lepton: ILepton, { kind, key }: IPageArgs, name?: string | null): string {
  const { trans } = lepton;
  switch (kind) {
    case 'run':
      return name ? `${key} ${name}` : key;
    case 'compare': {
      const ids = key.split(',').filter(Boolean);
      return ids.length > 3
        ? trans.__('Compare %1 runs', ids.length)
        : trans.__('Compare %1', ids.join(' '));
    }
    case 'dataset':
      return key.split('/').pop() ?? key;
    case 'label':
      return trans.__('Label %1', key.split('/').pop() ?? key);
    case 'model':
      return key;
    default:
      return trans.__('Resources');
  }
}
