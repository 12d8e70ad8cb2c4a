import * as format from '../format';

it('writes sizes', () => {
  expect([312, 47_040_080, 999_960, 1.5e12].map(format.bytes)).toEqual([
    '312 B',
    '47.0 MB',
    '1.0 MB',
    '1.5 TB'
  ]);
  expect(format.bytes(null)).toBe('–');
});

it('writes time spans in the two units that matter', () => {
  expect([0.0123, 0.84, 59.96, 75, 7500, 3600, 200_000, 3600 * 72].map(format.duration)).toEqual([
    '12 ms',
    '0.8 s',
    '1 min',
    '1 min 15 s',
    '2 h 05 min',
    '1 h',
    '2 d 7 h',
    '3 d'
  ]);
});

it('writes numbers with as many digits as a comparison needs', () => {
  expect([0.312345, 1e-5, 12, 'relu', true, null, 0.5, NaN].map(format.number)).toEqual([
    '0.3123',
    '1e-5',
    '12',
    'relu',
    'True',
    '–',
    '0.5',
    'NaN'
  ]);
});

it('writes shares and shapes', () => {
  expect(format.percent(0.1234, 1)).toBe('12.3 %');
  expect(format.points(34.1)).toBe('34 %');
  expect(format.points(null)).toBe('–');
  expect(format.shape([60000, 28, 28])).toBe('60,000 × 28 × 28');
  expect(format.shape([])).toBe('–');
});

it('writes the date only where it is not today', () => {
  const noon = new Date(2026, 5, 1, 12, 0, 5).getTime() / 1000;
  expect(format.moment(noon, noon + 60)).toBe('12:00:05');
  expect(format.moment(noon, noon + 86400)).toBe('2026-06-01 12:00');
});

it('gives the numbers of a column equal decimals', () => {
  expect(format.numbers([0.325, 0.34041, null])).toEqual(['0.3250', '0.3404', '–']);
  expect(format.numbers([1e-5, 0.5])).toEqual(['1e-5', '0.5']);
  expect(format.numbers([16, 128])).toEqual(['16', '128']);
});

it.each([
  [0.5, '0.5000'],
  [12.345, '12.35'],
  [0.00001234, '1.234e-5'],
  [null, '–']
])('writes metrics: %p', (value, text) => expect(format.metric(value)).toBe(text));

it('writes clocks and parameters', () => {
  expect(format.clock(3723.9)).toBe('1:02:03');
  expect(format.params({ lr: 1e-5, units: 64, act: 'relu' })).toBe('lr=1e-5 units=64 act=relu');
});
