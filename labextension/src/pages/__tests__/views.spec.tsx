import { arrayRows, codecWords } from '../dataset/stored';
import { parsePage } from '../links';
import { find, pieces, stack } from '../run/output';
import { tokens } from '../run/python';
import { Transcript } from '../run/transcript';

describe('links', () => {
  it('name a page', () => {
    expect(parsePage('run:r17')).toEqual({ kind: 'run', key: 'r17' });
    expect(parsePage('compare:r1,s2')).toEqual({ kind: 'compare', key: 'r1,s2' });
    expect(parsePage('resources')).toEqual({ kind: 'resources', key: '' });
    expect(parsePage('dataset:a/b.zarr')).toEqual({ kind: 'dataset', key: 'a/b.zarr' });
  });
  it('that name none open none', () => {
    for (const text of ['', 'run:', 'run:../x', 'compare:<b>', 'resources:x', 'other:1']) {
      expect(parsePage(text)).toBeNull();
    }
  });
});

describe('output', () => {
  const transcript = new Transcript();
  transcript.take([
    { seq: 0, type: 'text', text: 'Loss 1\n\x1b[31mloss\x1b[0m 2\n' },
    { seq: 1, type: 'display', data: { 'text/plain': 'x' } },
    { seq: 2, type: 'text', text: 'no match\nloss 3\n' }
  ]);
  it('is searched whatever the case', () => {
    expect(find(transcript.blocks, 'LOSS')).toEqual([
      { block: 0, line: 0 },
      { block: 0, line: 1 },
      { block: 2, line: 1 }
    ]);
    expect(find(transcript.blocks, '')).toEqual([]);
  });
  it('shows what was found within its colours', () => {
    expect(
      pieces(
        [
          { text: 'a lo', style: 'red' },
          { text: 'ss', style: '' }
        ],
        'loss'
      )
    ).toEqual([
      { text: 'a ', style: 'red' },
      { text: 'lo', style: 'red lp-Out-match' },
      { text: 'ss', style: 'lp-Out-match' }
    ]);
  });
  it('stacks text by its lines and displays by their measured height', () => {
    const [placed, total] = stack(transcript.blocks, new Map([[1, 100]]));
    expect(placed.map(p => p.top)).toEqual([0, 36, 136]);
    expect(total).toBe(172);
  });
});

describe('code', () => {
  const kinds = (source: string) =>
    tokens(source)
      .filter(token => token.kind)
      .map(token => [token.text, token.kind]);
  it('has keywords, names of functions, strings and comments', () => {
    expect(kinds("def f(x):  # why\n    return len('def')")).toEqual([
      ['def', 'keyword'],
      ['f', 'def'],
      ['# why', 'comment'],
      ['return', 'keyword'],
      ['len', 'builtin'],
      ["'def'", 'string']
    ]);
  });
  it('keeps triple strings and magics whole, and loses nothing', () => {
    const source = '%matplotlib inline\nx = """a # b\nc""" + f"{1e-3}"\n';
    expect(kinds(source)).toContainEqual(['%matplotlib inline', 'meta']);
    expect(kinds(source)).toContainEqual(['"""a # b\nc"""', 'string']);
    expect(
      tokens(source)
        .map(t => t.text)
        .join('')
    ).toBe(source);
  });
});

describe('arrays', () => {
  it('are told with their codecs as people say them', () => {
    const blosc = { cname: 'zstd', shuffle: 'bitshuffle' };
    expect(
      codecWords([
        { name: 'bytes', configuration: {} },
        { name: 'blosc', configuration: blosc },
        { name: 'crc32c', configuration: {} }
      ])
    ).toBe('blosc-zstd-bitshuffle + crc32c');
    expect(codecWords([{ name: 'bytes', configuration: {} }])).toBe('none');
  });
  it('of the groups inside are listed by their path', () => {
    const inner: any = { arrays: [{ name: 'x' }], groups: {} };
    const dataset: any = { arrays: [{ name: 'y' }], groups: { train: inner } };
    expect(arrayRows(dataset).map(row => row.path)).toEqual(['y', 'train/x']);
  });
});
