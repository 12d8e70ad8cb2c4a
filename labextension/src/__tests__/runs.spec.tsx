import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import * as React from 'react';
import { Runs } from '../sidebar/runs';
import { aRun, counts, Surroundings } from './surroundings';

const user = userEvent.setup({ delay: null });

const shown = (view: HTMLElement) =>
  [...view.querySelectorAll<HTMLElement>('[data-run]')].map(row => row.dataset.run);

it('teaches the first run where there is none', async () => {
  const lab = new Surroundings();
  lab.show(<Runs />);
  await lab.say('runs', { runs: [], counts, full: true });
  expect(screen.getByText(/Put %%lepton run at the top of a cell/)).toBeTruthy();
  await user.click(screen.getByRole('button', { name: 'Insert a first run' }));
  expect(lab.commands[0][0]).toBe('lepton:insert-code');
  expect(lab.commands[0][1].code).toMatch(/^%%lepton run/);
});

it('shows what runs first, then what waits in its turn, then the rest', async () => {
  const lab = new Surroundings();
  const view = lab.show(<Runs />);
  await lab.say('runs', {
    runs: [
      aRun('r5', { state: 'queued', place: 2 }),
      aRun('r4', { state: 'queued', place: 1 }),
      aRun('r3', { state: 'running', progress: { epoch: 2, epochs: 4, batch: 5, batches: 10 } }),
      aRun('r2', { state: 'failed', error: { kind: 'exception', message: 'ValueError: no' } }),
      aRun('r0', { state: 'cancelled', trial: 4, pruned: 3 }),
      aRun('r1', { metrics: { loss: 0.25 }, spark: [1, 0.5, 0.25], spark_metric: 'loss' })
    ],
    counts: { ...counts, queued: 2, running: 1, done: 1, failed: 1 },
    full: true
  });
  expect(shown(view)).toEqual(['r3', 'r4', 'r5', 'r2', 'r1', 'r0']);
  const text = (id: string) => view.querySelector(`[data-run=${id}]`)!.textContent;
  expect(text('r3')).toContain('epoch 2/4');
  expect(text('r4')).toContain('place 1 in the queue');
  expect(text('r2')).toContain('ValueError: no');
  expect(text('r0')).toContain('pruned at step 3');
  expect(text('r1')).toContain('0.2500');
  expect(text('r1')).toContain('0:30');
  expect(screen.getByRole('img', { name: 'loss over the steps of r1' })).toBeTruthy();
  expect(view.querySelector<HTMLElement>('.lps-Run-progress > span')!.style.transform).toBe(
    'scaleX(0.375)'
  );
});

it('changes one row when one run changes', async () => {
  const lab = new Surroundings();
  const view = lab.show(<Runs />);
  const both = { ...counts, running: 1, done: 1 };
  await lab.say('runs', {
    runs: [aRun('r2', { state: 'running' }), aRun('r1')],
    counts: both,
    full: true
  });
  const first = view.querySelector('[data-run=r1]')!;
  const observer = new MutationObserver(() => undefined);
  observer.observe(first, {
    subtree: true,
    childList: true,
    attributes: true,
    characterData: true
  });
  await lab.say('runs', {
    runs: [aRun('r2', { state: 'running', metrics: { loss: 0.5 } })],
    counts: both,
    full: false
  });
  expect(view.querySelector('[data-run=r2]')!.textContent).toContain('0.5000');
  expect(observer.takeRecords()).toEqual([]);
});

it('cancels, runs again, opens, goes to the cell', async () => {
  const lab = new Surroundings();
  lab.show(<Runs />);
  await lab.say('runs', {
    runs: [aRun('r2', { state: 'running' }), aRun('r1', { notebook: 'a.ipynb', cell: 'c1' })],
    counts: { ...counts, running: 1, done: 1 },
    full: true
  });
  await user.click(screen.getByRole('button', { name: 'Cancel r2' }));
  await user.click(screen.getByRole('button', { name: 'Run r1 again' }));
  expect(lab.requests).toEqual([
    ['POST', 'runs/r2/cancel', { force: false }],
    ['POST', 'runs/r1/rerun', {}]
  ]);
  await user.click(screen.getByTitle('Open r1'));
  await user.click(screen.getByRole('button', { name: 'Go to the cell that started r1' }));
  expect(lab.commands).toEqual([
    ['lepton:open-run', { id: 'r1' }],
    ['lepton:open-notebook', { path: 'a.ipynb', cell: 'c1' }]
  ]);
});

it('compares what is selected, by boxes or with Ctrl', async () => {
  const lab = new Surroundings();
  lab.show(<Runs />);
  await lab.say('runs', {
    runs: [aRun('r2'), aRun('r1')],
    counts: { ...counts, done: 2 },
    full: true
  });
  await user.click(screen.getByRole('checkbox', { name: 'Select r1' }));
  expect(screen.getByRole('button', { name: 'Compare' })).toHaveProperty('disabled', true);
  await user.keyboard('{Control>}');
  await user.click(screen.getByTitle('Open r2'));
  await user.keyboard('{/Control}');
  await user.click(screen.getByRole('button', { name: 'Compare' }));
  expect(lab.commands).toEqual([['lepton:open-comparison', { ids: ['r1', 'r2'] }]]);
});

it('finds runs that the page did not know', async () => {
  const lab = new Surroundings();
  const view = lab.show(<Runs />);
  await lab.say('runs', { runs: [aRun('r90')], counts: { ...counts, done: 90 }, full: true });
  lab.answers['GET runs?limit=200&query=wide'] = { runs: [aRun('r3', { name: 'wide' })] };
  lab.answers['GET runs?query=wide&limit=200'] = { runs: [aRun('r3', { name: 'wide' })] };
  lab.answers['GET runs?limit=100&before=r90'] = { runs: [], counts: { ...counts, done: 90 } };
  await user.type(screen.getByRole('searchbox'), 'wide');
  await screen.findByTitle('Open r3');
  expect(shown(view)).toEqual(['r3']);
});

it('goes from run to run with the arrow keys', async () => {
  const lab = new Surroundings();
  lab.show(<Runs />);
  await lab.say('runs', {
    runs: [aRun('r2'), aRun('r1')],
    counts: { ...counts, done: 2 },
    full: true
  });
  screen.getByTitle('Open r2').focus();
  await user.keyboard('{ArrowDown}');
  expect(document.activeElement).toBe(screen.getByTitle('Open r1'));
});

it('draws only the rows in sight', async () => {
  const lab = new Surroundings();
  const view = lab.show(<Runs />);
  const runs = Array.from({ length: 500 }, (_, i) => aRun(`r${500 - i}`));
  await lab.say('runs', { runs, counts: { ...counts, done: 500 }, full: true });
  expect(shown(view).length).toBeLessThan(60);
});
