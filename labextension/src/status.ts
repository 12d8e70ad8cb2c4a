/** The item in the status bar: clusters, runs, load; a click shows the sidebar. */
import { Widget } from '@lumino/widgets';
import type { ITrans } from './context';
import type { Lab } from './model';
import { summary } from './summary';

export class StatusItem extends Widget {
  constructor(
    private _lab: Lab,
    private _trans: ITrans,
    onClick: () => void
  ) {
    super();
    this.addClass('lp-Status');
    this._button.type = 'button';
    this._button.title = _trans.__('Show Lepton');
    this._button.addEventListener('click', onClick);
    this.node.appendChild(this._button);
    for (const store of [_lab.clusters, _lab.runs, _lab.status]) {
      (store as { subscribe: (listener: () => void) => void }).subscribe(() => this._write());
    }
    _lab.resources.changed.connect(() => this._write());
    this._write();
  }

  private _write(): void {
    if (document.hidden) {
      return;
    }
    const text = summary(this._lab, this._trans);
    if (text !== this._button.textContent) {
      this._button.textContent = text;
    }
  }

  private _button = document.createElement('button');
}
