import { linePoints } from '../sparkline';
import { thin } from '../thin';

const N = 5000;
const X = Array.from({ length: N }, (_, i) => i);

it('leaves few points as they are', () => {
  expect(thin([1, 2], [3, null], 10)).toEqual([
    [1, 2],
    [3, null]
  ]);
});

it('keeps ends, peaks and order', () => {
  const y = X.map(i => Math.sin(i / 50));
  y[1234] = 40;
  y[4321] = -40;
  const [x, kept] = thin(X, y, 300);
  expect(x.length).toBeLessThanOrEqual(302);
  expect([x[0], x[x.length - 1]]).toEqual([0, N - 1]);
  expect(kept).toContain(40);
  expect(kept).toContain(-40);
  expect([...x].sort((a, b) => a - b)).toEqual(x);
});

it('keeps gaps', () => {
  const y = X.map(i => (i > 1000 && i < 4000 ? null : 1));
  const [x, kept] = thin(X, y, 200);
  expect(kept.filter((v, i) => v === null && x[i] > 1000 && x[i] < 4000).length).toBeGreaterThan(
    50
  );
});

it('draws a line within its box', () => {
  expect(linePoints([0, 50, 100], 100, 20, 0, 100)).toBe('0.0,19.0 50.0,10.0 100.0,1.0');
  expect(linePoints([null, 200], 100, 20, 0, 100)).toBe('100.0,1.0');
});
