/** The Lumino shells; kept apart so that tests of the components never load JupyterLab. */
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';
import type { ILepton } from '../commands';
import { leptonIcon } from '../icon';
import { IViewContext, LeptonProvider } from '../context';
import { Sidebar } from './sidebar';

/** What components are given, from what the extension has. Pages use this too. */
export function viewContext(lepton: ILepton): IViewContext {
  const { api, lab, trans, app } = lepton;
  return {
    api,
    lab,
    trans,
    execute: (command, args) => void app.commands.execute(command, args)
  };
}

export class SidebarPanel extends ReactWidget {
  constructor(private _context: IViewContext) {
    super();
    this.id = 'lepton-sidebar';
    this.addClass('lp-Sidebar');
    this.title.icon = leptonIcon;
    this.title.caption = 'Lepton';
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', 'Lepton');
  }

  render(): JSX.Element {
    return (
      <LeptonProvider value={this._context}>
        <Sidebar />
      </LeptonProvider>
    );
  }
}
