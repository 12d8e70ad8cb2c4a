/** The lab in a line, for the status bar. */
import type { ITrans } from './context';
import { bytes, points } from './format';
import type { Lab } from './model';

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
    words.push(trans.__('CPU %1', points(latest.host.cpu)), bytes(latest.host.memory[0]));
  }
  return `Lepton: ${words.join(' · ')}`;
}
