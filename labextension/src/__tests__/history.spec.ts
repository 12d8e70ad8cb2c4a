import { ResourceHistory } from '../history';

const sample = (t: number, workers = {}) => ({
  t,
  host: {
    cpu: t,
    memory: [1, 2] as [number, number],
    disk: [0, 0, 0, 0] as [number, number, number, number],
    network: [0, 0] as [number, number],
    gpus: []
  },
  workers,
  runs: {}
});

it('keeps an hour, and gaps where something was not there', () => {
  const history = new ResourceHistory();
  history.take({ sample: sample(10) });
  history.take({
    sample: sample(11, { 'a/0': { cpu: 5, memory: [1, 2], run: null, device: 'cpu' } })
  });
  history.take({ sample: sample(72) });
  expect(history.series.get('worker.a/0.cpu')).toEqual([null, 5, null]);
  history.take({ sample: sample(3670) }); // kept up to a minute longer
  expect(history.times).toEqual([10, 11, 72, 3670]);
  history.take({ sample: sample(3671.5) });
  expect(history.times).toEqual([72, 3670, 3671.5]);
  expect(history.series.has('worker.a/0.cpu')).toBe(false);
});

it('goes on from the history that the server sends', () => {
  const history = new ResourceHistory();
  history.take({
    history: {
      interval: 1,
      t: [1, 2],
      series: { 'host.cpu': [7, 8], 'host.memory_total': 9 },
      gpus: [],
      message: null
    }
  });
  history.take({ sample: sample(3) });
  expect(history.series.get('host.cpu')).toEqual([7, 8, 3]);
  expect(history.facts.get('host.memory_total')).toBe(9);
});
