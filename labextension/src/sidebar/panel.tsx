/** The Lumino shell of the sidebar; kept apart so that tests of components never load JupyterLab. */
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';
import type { ILepton } from '../commands';
import { IViewContext, LeptonProvider } from '../context';
import { leptonIcon } from '../icon';
import { Sidebar } from './sidebar';

/** What components are given, from what the extension has. */
export function viewContext(lepton: ILepton): IViewContext {
  const { api, lab, trans, app, memory } = lepton;
  return {
    api,
    lab,
    trans,
    memory,
    execute: (command, args) => void lab.attempt(app.commands.execute(command, args))
  };
}

export class SidebarPanel extends ReactWidget {
  constructor(
    private _context: IViewContext,
    ready: Promise<void>
  ) {
    super();
    void ready.then(() => {
      this._ready = true;
      this.update();
    });
    const name = _context.trans.__('Lepton');
    this.id = 'lepton-sidebar';
    this.addClass('lp-Sidebar');
    this.title.icon = leptonIcon;
    this.title.caption = name;
    this.node.dataset.scroller = '';
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', name);
  }

  render(): JSX.Element | null {
    return !this._ready ? null : (
      <LeptonProvider value={this._context}>
        <Sidebar />
      </LeptonProvider>
    );
  }

  private _ready = false;
}
