/** What a link names: `run:r17`, `compare:r1,r2`, `resources`, `dataset:a/b.zarr`, `label:a/b.zarr`, `model:name`. */
import type { IPageArgs } from './shell';

const KINDS = ['run', 'compare', 'resources', 'dataset', 'label', 'model'];

/** The page that `text` names, or null where it names none. */
export function parsePage(text: string): IPageArgs | null {
  const cut = text.indexOf(':');
  const kind = cut < 0 ? text : text.slice(0, cut);
  const key = cut < 0 ? '' : text.slice(cut + 1);
  if (!KINDS.includes(kind) || (kind === 'resources') !== !key) {
    return null;
  }
  if ((kind === 'run' && !/^r\d+$/.test(key)) || (kind === 'compare' && !/^[rs\d,]+$/.test(key))) {
    return null;
  }
  return { kind: kind as IPageArgs['kind'], key };
}
