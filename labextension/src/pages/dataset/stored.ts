/** How arrays and codecs of a dataset are written; as lepton_jlab/data/describe.py says them. */
import type { IArrayInfo, IDataset } from '../../types';

const NOT_TOLD = new Set(['bytes', 'vlen-utf8', 'vlen-bytes']);

/** "blosc-zstd-bitshuffle + crc32c". */
export function codecWords(codecs: IArrayInfo['codecs']): string {
  const words: string[] = [];
  for (const { name, configuration } of codecs) {
    let word = name.replace(/^numcodecs\./, '');
    if (word === 'blosc') {
      const bits = configuration.shuffle === 'bitshuffle' || configuration.shuffle === 2;
      word = `blosc-${configuration.cname}${bits ? '-bitshuffle' : ''}`;
    }
    if (!NOT_TOLD.has(word)) {
      words.push(word);
    }
  }
  return words.join(' + ') || 'none';
}

export interface IArrayRow extends IArrayInfo {
  path: string;
}

/** All arrays of a dataset, those of the groups inside it too. */
export function arrayRows(dataset: IDataset, within = ''): IArrayRow[] {
  return [
    ...dataset.arrays.map(array => ({ ...array, path: within + array.name })),
    ...Object.entries(dataset.groups ?? {}).flatMap(([name, group]) =>
      arrayRows(group, `${within}${name}/`)
    )
  ];
}

export function sampleCount(dataset: IDataset): number {
  return (
    (dataset.samples ?? 0) +
    Object.values(dataset.groups ?? {}).reduce((sum, group) => sum + sampleCount(group), 0)
  );
}
