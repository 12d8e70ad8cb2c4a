import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import * as React from 'react';
import { DEFAULTS } from '../model';
import { Sidebar } from '../sidebar/sidebar';
import { summary } from '../summary';
import { counts, Surroundings, trans } from './surroundings';

const user = userEvent.setup({ delay: null });

const host = {
  cpu: 34.4,
  memory: [5.1e9, 24e9],
  disk: [2e6, 0, 0, 0],
  network: [1e3, 2e3],
  gpus: [] as any[]
};
const history = { interval: 1, t: [], series: {}, gpus: [], message: 'No GPU: runs use the CPU.' };

it('has the sections that the settings say, and remembers which are open', async () => {
  const lab = new Surroundings();
  lab.lab.settings.set({ ...DEFAULTS, sections: ['runs', 'data'] });
  lab.show(<Sidebar />);
  const titles = screen.getAllByRole('heading', { level: 3 }).map(node => node.textContent);
  expect(titles).toEqual(['Runs', 'Data']);
  await user.click(screen.getByRole('button', { name: 'Data' }));
  expect(lab.memory.get('open:data')).toBe(false);
  expect(screen.getByRole('button', { name: 'Data' }).getAttribute('aria-expanded')).toBe('false');
});

it('says that the server is away', async () => {
  const lab = new Surroundings();
  lab.show(<Sidebar />);
  await React.act(async () => {
    lab.lab.status.set('lost');
    await new Promise(resolve => setTimeout(resolve, 220));
  });
  expect(screen.getByText(/The server is away/)).toBeTruthy();
});

it('says in a sentence that there is no GPU, and what the machine does', async () => {
  const lab = new Surroundings();
  const view = lab.show(<Sidebar />);
  await lab.say('resources', { history });
  await lab.say('resources', { sample: { t: 5, host, workers: {}, runs: {} } });
  expect(view.textContent).toContain('No GPU: runs use the CPU.');
  await user.click(screen.getByRole('button', { name: 'Workers' }));
  expect(view.textContent).toContain('No worker is running.');
});

it('sums up the lab for the status bar', async () => {
  const lab = new Surroundings();
  await lab.say('clusters', { clusters: [] });
  await lab.say('runs', { runs: [], counts: { ...counts, running: 2, queued: 1 }, full: true });
  await lab.say('resources', { sample: { t: 5, host, workers: {}, runs: {} } });
  expect(summary(lab.lab, trans)).toBe(
    'Lepton: no cluster · 2 running · 1 queued · CPU 34 % · 5.1 GB'
  );
});
