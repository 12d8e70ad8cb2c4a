import { axisOf, Brush, nudged, passes, place, ticks, valueAt } from '../axes';

const LR = axisOf('lr', 'lr', [1e-4, 1e-3, 1e-2]);
const UNITS = axisOf('units', 'units', [32, 64, 128]);
const ACT = axisOf('act', 'act', ['relu', 'gelu', 'relu']);

it('spreads magnitudes evenly', () => {
  expect(LR.kind).toBe('log');
  expect([1e-4, 1e-3, 1e-2].map(v => place(LR, v)?.toFixed(3))).toEqual([
    '0.000',
    '0.500',
    '1.000'
  ]);
  expect(valueAt(LR, 0.5)).toBeCloseTo(1e-3);
});

it('keeps near numbers linear and gives names places', () => {
  expect(UNITS.kind).toBe('linear');
  expect(place(UNITS, 80)).toBe(0.5);
  expect(ACT.names).toEqual(['gelu', 'relu']);
  expect(place(ACT, 'relu')).toBe(1);
});

it('puts a single value in the middle and nothing nowhere', () => {
  expect(place(axisOf('a', 'a', [3]), 3)).toBe(0.5);
  expect(ticks(axisOf('a', 'a', [3]))).toEqual([{ at: 0.5, text: '3' }]);
  expect(place(UNITS, null)).toBeNull();
  expect(place(UNITS, NaN)).toBeNull();
});

it('lets through what is within all brushes', () => {
  const rows = [
    { lr: 1e-2, units: 32 },
    { lr: 1e-3, units: 64 },
    { lr: 1e-4, units: null }
  ];
  const kept = (brushes: Array<[string, Brush]>) =>
    rows.filter(row => passes(row, [LR, UNITS], new Map(brushes))).map(row => row.lr);
  expect(kept([])).toEqual([1e-2, 1e-3, 1e-4]);
  expect(kept([['lr', [0.4, 1]]])).toEqual([1e-2, 1e-3]);
  expect(
    kept([
      ['lr', [0.4, 1]],
      ['units', [0.2, 1]]
    ])
  ).toEqual([1e-3]);
  expect(kept([['units', [0, 1]]])).toEqual([1e-2, 1e-3]); // no value is not within
});

it('is narrowed by arrows and widened with shift', () => {
  expect(nudged(undefined, 'ArrowUp', false)).toEqual([0.1, 1]);
  expect(nudged([0.1, 1], 'ArrowDown', false)).toEqual([0.1, 0.9]);
  expect(nudged([0.1, 0.9], 'ArrowUp', true)).toEqual([0.1, 1]);
  expect(nudged([0.1, 1], 'a', false)).toBeNull();
});
