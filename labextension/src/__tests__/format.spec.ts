import * as format from '../format';

it.each([
  [999, '999 B'],
  [999_600, '1.00 MB'],
  [47_040_080, '47.0 MB'],
  [8e9, '8 GB'],
  [null, '–']
])('writes sizes: %p', (value, text) => expect(format.bytes(value)).toBe(text));

it.each([
  [0.84, '0.8 s'],
  [59.96, '1 min'],
  [75, '1 min 15 s'],
  [7500, '2 h 5 min'],
  [3600 * 72, '3 d']
])('writes how long: %p', (value, text) => expect(format.duration(value)).toBe(text));

it.each([
  [0.5, '0.5000'],
  [12.345, '12.35'],
  [0.00001234, '1.23e-5'],
  [null, '–']
])('writes metrics: %p', (value, text) => expect(format.metric(value)).toBe(text));

it('writes clocks and parameters', () => {
  expect(format.clock(3723.9)).toBe('1:02:03');
  expect(format.params({ lr: 1e-5, units: 64, act: 'relu' })).toBe('lr=1e-5 units=64 act=relu');
});
