import { IRun } from '../../types';
import { phasesOf } from '../run/phases';
import { buckets, windowOf } from '../resources/ranges';

const run = (more: object): IRun =>
  ({ state: 'running', phases: {}, submitted: 100, started: null, ended: null, ...more }) as any;

describe('phases', () => {
  it('count up to now while a run waits, starts and runs', () => {
    expect(phasesOf(run({ state: 'queued' }), 103)).toEqual([
      { name: 'queued', seconds: 3, live: true }
    ]);
    expect(phasesOf(run({ started: 102 }), 103)).toEqual([
      { name: 'queued', seconds: 2 },
      { name: 'start', seconds: 1, live: true }
    ]);
    const begun = { started: 102, phases: { queued: 2, start: 0.5 } };
    expect(phasesOf(run(begun), 110)[2]).toEqual({ name: 'run', seconds: 7.5, live: true });
  });
  it('are those of the record when it has ended', () => {
    const phases = { queued: 1, start: 2, run: 3, gather: 4 };
    const ended = run({ state: 'done', started: 101, ended: 110, phases });
    expect(phasesOf(ended, 999).map(p => p.seconds)).toEqual([1, 2, 3, 4]);
  });
  it('are made of the times of a run that could not tell', () => {
    const lost = run({ state: 'lost', started: 104, ended: 110 });
    expect(phasesOf(lost, 999).map(p => [p.name, p.seconds])).toEqual([
      ['queued', 4],
      ['run', 6]
    ]);
    expect(phasesOf(run({ state: 'cancelled', ended: 110 }), 999)).toEqual([]);
  });
});

describe('ranges', () => {
  it('end with the newest sample', () => {
    const times = Array.from({ length: 600 }, (_, i) => i);
    const shown = windowOf(times, 5);
    expect([shown.from, shown.to, shown.begin]).toEqual([299, 599, 299]);
  });
  it('keep peaks when there are more samples than points', () => {
    const times = Array.from({ length: 1000 }, (_, i) => i);
    const low = times.map(() => 1);
    const [x, [a, b]] = buckets(times, [times.map(t => (t === 501 ? 99 : 0)), low], 100);
    expect([x.length, Math.max(...(a as number[])), b.length]).toEqual([100, 99, 100]);
  });
});
