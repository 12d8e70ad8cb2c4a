import { act } from '@testing-library/react';
import * as React from 'react';
import { Silence } from '../components/silence';
import { when } from '../format';
import { ResourcesPage } from '../pages/resources';
import { Resources } from '../sidebar/resources';
import { Surroundings } from './surroundings';

const host = {
  cpu: 34,
  memory: [5e9, 8e9],
  disk: [0, 0, 1, 2],
  network: [0, 0],
  gpus: [] as any[]
};
const sample = (t: number, more: object = {}) => ({
  sample: { t, host, workers: {}, runs: {}, message: null, ...more }
});

jest.mock('../charts/plot', () => ({ Plot: () => null, Legend: () => null })); // no canvas here

it('says since when the server measures nothing, until it does again', async () => {
  const lab = new Surroundings();
  await lab.say('resources', sample(1));
  const view = lab.show(<Silence className="x" />);
  expect(view.textContent).toBe('');
  const { resources } = lab.lab;
  const heard = (resources.heard = Date.now() - 60_000);
  const again = lab.show(<Silence className="x" />);
  expect(again.textContent).toContain(`Figures are missing since ${when(heard / 1000)}`);
  await lab.say('resources', sample(2));
  expect(again.textContent).toBe('');
  resources.heard = heard;
  act(() => lab.lab.status.set('offline' as any)); // that is told elsewhere
  expect(lab.show(<Silence className="x" />).textContent).toBe('');
});

it('waits longer where samples are rarer', async () => {
  const lab = new Surroundings();
  await lab.say('resources', sample(100));
  await lab.say('resources', sample(160));
  const { resources } = lab.lab;
  expect(resources.silentSince(resources.heard! + 200_000)).toBeNull();
  expect(resources.silentSince(resources.heard! + 301_000)).toBe(resources.heard);
});

const gpu = {
  ...{ index: 0, name: 'Invented', use: 10, memory: [1e9, 2e9], power: 5, power_limit: 9 },
  ...{ temperature: 40, processes: [] }
};
const message = 'The figures of the GPUs are missing since 14:05 UTC.';

it('tells in the sidebar that the GPUs do not answer, and that they do again', async () => {
  const lab = new Surroundings();
  const view = lab.show(<Resources />);
  const history = { interval: 1, t: [], series: {}, gpus: [gpu], message: null };
  await lab.say('resources', { history, ...sample(1, { host: { ...host, gpus: [gpu] } }) });
  expect(view.textContent).not.toContain('missing');
  await lab.say('resources', sample(3, { message }));
  expect(view.textContent).toContain(message);
  await lab.say('resources', sample(5, { host: { ...host, gpus: [gpu] } }));
  expect(view.textContent).not.toContain('missing');
});

it('tells it on the page, also of one GPU beside others', async () => {
  const lab = new Surroundings();
  await lab.say('resources', sample(3, { message }));
  expect(lab.show(<ResourcesPage />).textContent).toContain(message);
  const lost = 'GPU 1 does not answer: GPU is lost.';
  await lab.say('resources', sample(4, { host: { ...host, gpus: [gpu] }, message: lost }));
  const view = lab.show(<ResourcesPage />);
  expect(view.textContent).toContain('Invented');
  expect(view.textContent).toContain(lost);
});
