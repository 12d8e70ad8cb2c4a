import { compared, courseOf, looks, parseIds, refreshed } from '../compare/comparison';
import { best, better, families, leading } from '../metrics';
import { sorted } from '../parts';

const run = (id: string, params: object, metrics: object, more: object = {}): any => ({
  id,
  params,
  metrics,
  state: 'done',
  started: 0,
  ended: 1,
  ...more
});

const RUNS = [
  run('r1', { lr: 0.1, batch: 32, act: 'relu' }, { loss: 0.5, accuracy: 0.8 }),
  run('r2', { lr: 0.01, batch: 32, act: 'gelu' }, { loss: 0.3, accuracy: 0.7 }),
  run('r3', { lr: 0.001, batch: 32, act: 'relu' }, {})
];

it('separates what differs from what all have alike', () => {
  const about = compared(RUNS);
  expect(about.differing).toEqual(['lr', 'act']);
  expect([...about.numeric]).toEqual(['lr']);
  expect(about.equal).toEqual([['batch', 32]]);
});

it('marks the least loss and the most accuracy', () => {
  expect(compared(RUNS).best).toEqual({ loss: 'r2', accuracy: 'r1' });
});

it('marks nothing where there is nothing to choose from', () => {
  expect(best([['r1', 3]], 'loss')).toBeNull();
  expect(
    best(
      [
        ['r1', 3],
        ['r2', NaN]
      ],
      'loss'
    )
  ).toBeNull();
  expect(
    best(
      [
        ['r1', 3],
        ['r2', 4]
      ],
      'learning_rate'
    )
  ).toBeNull();
});

it('knows which way is better by the name', () => {
  expect(['val_loss', 'mean_absolute_error', 'accuracy', 'auc'].map(better)).toEqual([
    'min',
    'min',
    'max',
    'max'
  ]);
  expect(leading(['accuracy', 'loss', 'val_loss'])).toBe('val_loss');
});

it('pairs training with validation, losses first', () => {
  expect(families(['accuracy', 'val_loss', 'learning_rate', 'loss', 'val_accuracy'])).toEqual([
    ['loss', 'val_loss'],
    ['accuracy', 'val_accuracy'],
    ['learning_rate']
  ]);
});

it('sorts numbers as numbers, ids by their number, and what is missing last', () => {
  const column: any = { key: 'x', value: (r: any) => r.x };
  const rows = [{ x: 10 }, { x: null }, { x: 9 }, { x: NaN }];
  expect(sorted(rows, column, false).map(r => r.x)).toEqual([9, 10, null, NaN]);
  expect(sorted(rows, column, true).map(r => r.x)).toEqual([10, 9, null, NaN]);
  expect(sorted([{ x: 'r10' }, { x: 'r9' }], column, false).map(r => r.x)).toEqual(['r9', 'r10']);
});

it('gives few runs colours of their own, and many the colour of their place', () => {
  const few = looks(RUNS, 'loss');
  expect(new Set([...few.values()].map(l => l.colour)).size).toBe(3);
  const many = Array.from({ length: 40 }, (_, i) => run(`r${i}`, {}, { loss: i }));
  const colours = looks(many, 'loss');
  expect(colours.get('r0')?.colour).not.toBe(colours.get('r39')?.colour);
  expect(colours.get('r0')).toEqual({ colour: 'rgb(214,140,30)' }); // the least loss is the best
});

it('draws over steps or over seconds since the first', () => {
  const history = {
    columns: ['step', 't', 'loss'],
    rows: [
      [1, 100, 3],
      [2, 102, null],
      [3, 107, 1]
    ]
  };
  expect(courseOf(history, 'loss', 'step')).toEqual([
    [1, 3],
    [3, 1]
  ]);
  expect(courseOf(history, 'loss', 'seconds')).toEqual([
    [0, 7],
    [3, 1]
  ]);
  expect(courseOf(undefined, 'loss', 'step')).toEqual([[], []]);
});

it('takes newer states of its runs, and is the same where there are none', () => {
  const comparison: any = { runs: RUNS, histories: {} };
  expect(refreshed(comparison, [run('r9', {}, {})])).toBe(comparison);
  const newer = refreshed(comparison, [run('r3', {}, { loss: 0.1 }, { state: 'running' })]);
  expect(newer.runs[2].state).toBe('running');
});

it('reads ids as people write them', () => {
  expect(parseIds('r1, s3  r1 nonsense')).toEqual(['r1', 's3']);
});
