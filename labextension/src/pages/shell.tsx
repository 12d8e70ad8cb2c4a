/** The Lumino shell of a page, and what it gives its page of JupyterLab. */
import { Dialog, InputDialog, MainAreaWidget, showDialog } from '@jupyterlab/apputils';
import { PageConfig, URLExt } from '@jupyterlab/coreutils';
import { MimeModel } from '@jupyterlab/rendermime';
import { ReactWidget } from '@jupyterlab/ui-components';
import { Message } from '@lumino/messaging';
import * as React from 'react';
import { Visible } from '../charts/visible';
import type { ILepton } from '../commands';
import { LeptonProvider } from '../context';
import { viewContext } from '../sidebar/panel';
import { leptonIcon } from '../icon';
import { ISurroundings, Surroundings } from './surroundings';

export type Kind = 'run' | 'compare' | 'resources' | 'dataset' | 'label' | 'model';

export interface IPageArgs {
  kind: Kind;
  /** What the page is about: an id, several with commas, a path, a name; "" for resources. */
  key: string;
  /** Under which its place in the layout is kept; `key` may change. */
  place?: string;
}

export class Page extends ReactWidget {
  constructor(
    private _lepton: ILepton,
    private _draw: (page: Page) => JSX.Element
  ) {
    super();
    this.addClass('lp-Page');
    this._surroundings = surroundings(_lepton);
  }

  protected onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._setShown(true);
  }

  protected onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this._setShown(false);
  }

  render(): JSX.Element {
    return (
      <LeptonProvider value={viewContext(this._lepton)}>
        <Surroundings.Provider value={this._surroundings}>
          <Visible.Provider value={this._shown}>{this._draw(this)}</Visible.Provider>
        </Surroundings.Provider>
      </LeptonProvider>
    );
  }

  private _setShown(shown: boolean): void {
    if (shown !== this._shown) {
      this._shown = shown;
      this.update();
    }
  }

  private _shown = true;
  private _surroundings: ISurroundings;
}

export class PageWidget extends MainAreaWidget<Page> {
  constructor(
    content: Page,
    public args: IPageArgs
  ) {
    super({ content });
    this.toolbar.hide();
    this.title.icon = leptonIcon;
    this.title.closable = true;
    this.content.node.setAttribute('role', 'main');
  }
}

function surroundings(lepton: ILepton): ISurroundings {
  const { trans, rendermime } = lepton;
  return {
    async confirm(title, body, accept) {
      const { button } = await showDialog({
        title,
        body,
        buttons: [
          Dialog.cancelButton({ label: trans.__('Keep as it is') }),
          Dialog.warnButton({ label: accept })
        ],
        defaultButton: 0
      });
      return button.accept;
    },
    async ask(title, label, text) {
      const { value } = await InputDialog.getText({ title, label, text });
      return value?.trim() || null;
    },
    draw(data, metadata) {
      const type = rendermime?.preferredMimeType(data, 'any');
      if (!rendermime || !type) {
        return null;
      }
      const renderer = rendermime.createRenderer(type);
      // Not trusted: what a run displayed may come from its data.
      void renderer.renderModel(new MimeModel({ data, metadata, trusted: false }));
      return renderer;
    },
    link: page =>
      URLExt.join(location.origin, PageConfig.getOption('baseUrl'), 'lab') +
      `?lepton=${encodeURIComponent(page).replace(/%3A/g, ':').replace(/%2C/g, ',').replace(/%2F/g, '/')}`
  };
}
