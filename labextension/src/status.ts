/** The item in the status bar: clusters, runs, load; a click shows the sidebar. */
import { Widget } from '@lumino/widgets';
import type { ITrans } from './context';
import { bytes, percent } from './format';
import type { Lab } from './model';

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

export function summary(lab: Lab, trans: ITrans): string {
  if (lab.status.value !== 'live') {
    return lab.status.value === 'lost'
      ? trans.__('Lepton: server away')
      : trans.__('Lepton: connecting');
  }
  const clusters = lab.clusters.value?.length ?? 0;
  const { running = 0, queued = 0 } = lab.runs.value.counts;
  const words = [
    clusters ? trans._n('%1 cluster', '%1 clusters', clusters, clusters) : trans.__('no cluster')
  ];
  if (running) {
    words.push(trans.__('%1 running', running));
  }
  if (queued) {
    words.push(trans.__('%1 queued', queued));
  }
  const { latest } = lab.resources;
  if (latest) {
    words.push(trans.__('CPU %1', percent(latest.host.cpu)), bytes(latest.host.memory[0]));
  }
  return `Lepton: ${words.join(' · ')}`;
}
