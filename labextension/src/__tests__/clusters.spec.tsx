import { act, screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import * as React from 'react';
import { Clusters } from '../sidebar/clusters';
import { aCluster, aRun, aTask, aWorker, counts, refused, Surroundings } from './surroundings';

const user = userEvent.setup({ delay: null });

it('says what a cluster is where there is none, and starts one with the defaults', async () => {
  const lab = new Surroundings();
  lab.show(<Clusters />);
  await lab.say('clusters', { clusters: [] });
  expect(screen.getByText(/runs your cells on all cores or GPUs/)).toBeTruthy();

  lab.answers['POST clusters'] = aTask('cluster start', { title: 'Start cluster local' });
  await user.click(screen.getAllByRole('button', { name: 'New cluster' })[1]);
  await user.click(screen.getByRole('button', { name: 'Start' }));
  expect(lab.requests).toEqual([['POST', 'clusters', { engine: 'auto' }]]);
  expect(await screen.findByRole('status', { name: 'Start cluster local' })).toBeTruthy();
  expect(screen.queryByRole('form')).toBeNull();
});

it('sends nothing that cannot be', async () => {
  const lab = new Surroundings();
  lab.show(<Clusters />);
  await lab.say('clusters', { clusters: [aCluster()] });
  await user.click(screen.getByRole('button', { name: 'New cluster' }));
  await user.type(screen.getByLabelText('Workers'), 'two');
  await user.type(screen.getByLabelText('Memory'), '4');
  await user.type(screen.getByLabelText('Name'), 'local');
  await user.click(screen.getByRole('button', { name: 'Start' }));
  expect(screen.getByText('A number, 1 or more.')).toBeTruthy();
  expect(screen.getByText('A size, such as 4GiB.')).toBeTruthy();
  expect(screen.getByText('local is running already.')).toBeTruthy();
  expect(lab.requests).toEqual([]);
});

it('adopts a scheduler by its address', async () => {
  const lab = new Surroundings();
  lab.show(<Clusters />);
  await user.click(screen.getByRole('button', { name: 'New cluster' }));
  await user.selectOptions(screen.getByLabelText('Runs on'), 'A scheduler that runs already');
  await user.type(screen.getByLabelText('Address'), 'tcp://host:8786');
  lab.answers['POST clusters'] = refused('tcp://host:8786 does not answer.');
  await user.click(screen.getByRole('button', { name: 'Adopt' }));
  expect(lab.requests[0][2]).toMatchObject({ engine: 'tcp://host:8786' });
  expect(await screen.findByText('tcp://host:8786 does not answer.')).toBeTruthy();
});

it('starts one elsewhere, with what its engine needs', async () => {
  const lab = new Surroundings();
  lab.show(<Clusters />);
  await lab.say('clusters', { clusters: [] });
  const option = { help: '', default: null, kind: 'text', choices: [], required: false };
  const own = [
    { ...option, name: 'hosts', label: 'Hosts', help: 'the machines', required: true },
    { ...option, name: 'user', label: 'User' },
    { ...option, name: 'port', label: 'Port', kind: 'number', default: '22' },
    { ...option, name: 'fast', label: 'Fast', kind: 'switch' },
    { ...option, name: 'auth', label: 'Auth', kind: 'choice', choices: ['basic'] }
  ];
  const machine = { gpus: 0, cpus: 2, memory: 8e9 };
  const about = { ...machine, engines: ['auto', 'ssh'], engine_options: { ssh: own } };
  act(() => lab.lab.about.set(about as any));
  await user.click(screen.getAllByRole('button', { name: 'New cluster' })[1]);
  await user.selectOptions(await screen.findByLabelText('Runs on'), 'Other machines: SSH');
  await user.type(screen.getByLabelText('Workers'), '0..8');
  await user.click(screen.getByRole('button', { name: 'Start' }));
  expect(screen.getByText('This is needed.')).toBeTruthy();
  expect(lab.requests).toEqual([]);
  const hosts = screen.getByRole('textbox', { name: 'Hosts', description: 'This is needed.' });
  await user.type(hosts, 'a,b');
  expect(screen.getByRole('textbox', { name: 'Hosts', description: 'the machines' })).toBe(hosts);
  const port = screen.getByLabelText<HTMLInputElement>('Port');
  expect(port.placeholder).toBe('22');
  await user.type(port, 'x');
  expect(screen.getByText('A number, 1 or more.')).toBeTruthy();
  await user.clear(port);
  await user.type(port, '2222');
  await user.click(screen.getByText('2 more options'));
  await user.selectOptions(screen.getByLabelText('Fast'), 'yes');
  lab.answers['POST clusters'] = aTask('cluster start', { title: 'Start cluster ssh' });
  await user.click(screen.getByRole('button', { name: 'Start' }));
  const options = { hosts: 'a,b', port: 2222, fast: true };
  expect(lab.requests).toEqual([['POST', 'clusters', { engine: 'ssh', adapt: '0..8', options }]]);
});

it('follows the runs without a worker, which is no fault', async () => {
  const lab = new Surroundings();
  const view = lab.show(<Clusters />);
  await lab.say('clusters', { clusters: [aCluster({ workers: [], wanted: 1, adapt: [0, 8] })] });
  const about = view.querySelector('.lps-Card-about')!.textContent;
  expect(about).toContain('no worker now · 1 more to come · 0 to 8 as runs need');
  expect(view.querySelector('[role=alert]')).toBeNull();
  await user.click(screen.getByRole('button', { name: /Change the number/ }));
  const field = screen.getByRole<HTMLInputElement>('textbox', { name: 'Workers' });
  expect(field.value).toBe('0..8');
  await user.clear(field);
  await user.type(field, '1..4');
  lab.answers['POST clusters/local/scale'] = aCluster();
  await user.click(screen.getByRole('button', { name: 'Scale' }));
  expect(lab.requests[0][2]).toEqual({ workers: '1..4', force: false });
});

it('asks before it stops a cluster, and names what would be lost', async () => {
  const lab = new Surroundings();
  lab.show(<Clusters />);
  await lab.say('clusters', { clusters: [aCluster()] });
  await lab.say('runs', {
    runs: [aRun('r1', { state: 'running' }), aRun('r2', { state: 'queued' })],
    counts: { ...counts, running: 1, queued: 1 },
    full: true
  });
  await user.click(screen.getByRole('button', { name: 'Stop local' }));
  const question = screen.getByRole('alertdialog');
  expect(question.textContent).toContain('r1 is running and would be ended.');
  expect(question.textContent).toContain('r2 waits for it and would be lost.');
  await user.keyboard('{Escape}');
  expect(screen.queryByRole('alertdialog')).toBeNull();
  expect(lab.requests).toEqual([]);

  await user.click(screen.getByRole('button', { name: 'Stop local' }));
  await user.click(within(screen.getByRole('alertdialog')).getByRole('button', { name: 'Stop' }));
  expect(lab.requests).toEqual([['DELETE', 'clusters/local?force=1']]);
});

it('scales, and asks again where runs would be ended', async () => {
  const lab = new Surroundings();
  lab.show(<Clusters />);
  await lab.say('clusters', { clusters: [aCluster()] });
  await user.click(screen.getByRole('button', { name: /Change the number/ }));
  const field = screen.getByRole('textbox', { name: 'Workers' });
  await user.clear(field);
  await user.type(field, '0');
  lab.answers['POST clusters/local/scale'] = refused('Scaling to 0 would end r1.', true);
  await user.click(screen.getByRole('button', { name: 'Scale' }));
  expect(await screen.findByText('Scaling to 0 would end r1.')).toBeTruthy();
  await user.click(screen.getByRole('button', { name: 'Scale all the same' }));
  expect(lab.requests.map(request => request[2])).toEqual([
    { workers: 0, force: false },
    { workers: 0, force: true }
  ]);
});

it('shows what each worker does, without drawing it again', async () => {
  const lab = new Surroundings();
  const view = lab.show(<Clusters />);
  await lab.say('clusters', { clusters: [aCluster()] });
  const row = view.querySelector('.lps-Worker')!;
  const use = (cpu: number) => ({ cpu, memory: [1e9, 4e9], run: 'r1', device: 'cpu' });
  const host = { cpu: 1, memory: [1, 2], disk: [0, 0, 0, 0], network: [0, 0], gpus: [] };
  const sample = { t: 1, host, workers: { 'local/0': use(150) }, runs: {} };
  await lab.say('resources', { sample });
  expect(row.textContent).toContain('150 %');
  expect(row.textContent).toContain('1.0 GB');
  const bar = row.querySelector<HTMLElement>('[data-gauge=cpu] .lps-Gauge-bar > span')!;
  expect(bar.style.transform).toBe('scaleX(0.750)'); // of two threads
  await user.click(within(row as HTMLElement).getByRole('button', { name: 'r1' }));
  expect(lab.commands).toEqual([['lepton:open-run', { id: 'r1' }]]);
});

it('shows all runs that share a worker, and a GPU that is lost', async () => {
  const lab = new Surroundings();
  const view = lab.show(<Clusters />);
  const gpu = { devices: ['gpu:0'], slots: 4 };
  const workers = [
    aWorker('0', ['r1', 'r2', 'r3', 'r4'], gpu),
    aWorker('1', ['r5'], { ...gpu, devices: ['MIG-0001'] }),
    aWorker('2', [], { ...gpu, slots: 0, fault: 'gpu:2: GPU is lost' })
  ];
  await lab.say('clusters', { clusters: [aCluster({ workers })] });
  const [full, shared, lost] = Array.from(view.querySelectorAll<HTMLElement>('.lps-Worker'));
  expect(full.textContent).toContain('GPU 0');
  await user.click(within(full).getByRole('button', { name: 'r2' }));
  expect(lab.commands).toEqual([['lepton:open-run', { id: 'r2' }]]);
  expect(within(full).getByText('+2').title).toBe('r3, r4');
  expect(within(shared).getByText('MIG').title).toBe('MIG-0001');
  expect(within(lost).getByText('lost').title).toBe('gpu:2: GPU is lost');
});

it('shows a few of many workers, and all when asked', async () => {
  const lab = new Surroundings();
  const view = lab.show(<Clusters />);
  const [worker] = aCluster().workers;
  const workers = Array.from({ length: 64 }, (_, i) => ({
    ...worker,
    id: String(i),
    run: null,
    runs: []
  }));
  await lab.say('clusters', { clusters: [aCluster({ workers })] });
  expect(view.querySelectorAll('.lps-Worker')).toHaveLength(8);
  await user.click(screen.getByRole('button', { name: 'Show all 64 workers' }));
  expect(view.querySelector<HTMLElement>('ul')!.style.height).toBe(`${64 * 26}px`);
});
