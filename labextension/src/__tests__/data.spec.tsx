import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import * as React from 'react';
import { Data } from '../sidebar/data';
import { suggested } from '../sidebar/import-form';
import { aTask, refused, Surroundings } from './surroundings';

const user = userEvent.setup({ delay: null });

it('imports from what is typed, and offers to replace what is there', async () => {
  const lab = new Surroundings();
  lab.answers['GET datasets'] = { datasets: [] };
  lab.show(<Data />);
  await React.act(() => lab.lab.refreshDatasets());
  await user.click((await screen.findAllByRole('button', { name: 'Import data' }))[1]);
  await user.type(screen.getByLabelText('From'), 'scans/digits.npz');
  expect(screen.getByLabelText('To')).toHaveProperty('value', 'digits.zarr');
  lab.answers['POST datasets'] = refused('digits.zarr is there already.', true);
  await user.click(screen.getByRole('button', { name: 'Import' }));
  expect(await screen.findByText('digits.zarr is there already.')).toBeTruthy();
  lab.answers['POST datasets'] = aTask('data import', { title: 'Import digits', progress: 0.25 });
  await user.click(screen.getByRole('button', { name: 'Replace' }));
  const bar = await screen.findByRole('progressbar', { name: 'Import digits' });
  expect(bar.getAttribute('aria-valuenow')).toBe('25');
  await user.click(screen.getByRole('button', { name: 'Cancel: Import digits' }));
  expect(lab.requests.filter(([method]) => method !== 'GET')).toEqual([
    ['POST', 'datasets', { source: 'scans/digits.npz', path: 'digits.zarr' }],
    ['POST', 'datasets', { source: 'scans/digits.npz', path: 'digits.zarr', force: true }],
    ['DELETE', 'tasks/t1']
  ]);
});

it('shows sizes, samples and what a dataset is made of', async () => {
  const lab = new Surroundings();
  const row = { name: 'a.zarr', path: 'a.zarr', samples: 1200, stored_bytes: 5e6, error: null };
  const broken = { ...row, name: 'b.zarr', path: 'b.zarr', samples: null, error: 'b.zarr: torn.' };
  lab.answers['GET datasets'] = { datasets: [row, broken] };
  lab.answers['GET datasets/info?path=a.zarr'] = {
    samples: 1200,
    arrays: [
      {
        name: 'x',
        shape: [1200, 8],
        dtype: 'float32',
        codecs: [{ name: 'blosc', configuration: { cname: 'zstd', shuffle: 'shuffle' } }]
      }
    ],
    original_bytes: 2e7,
    stored_bytes: 5e6,
    storage: { original_bytes: 2e7, compressed_bytes: 5e6, deduplicated_bytes: 4e6 },
    place: { tier: 'warm' }
  };
  lab.answers['GET datasets/preview?path=a.zarr&count=10&start=0'] = {
    kind: 'image',
    samples: [{ index: 0, image: 'data:image/png;base64,', text: '', label: 'Bag' }]
  };
  const view = lab.show(<Data />);
  await React.act(() => lab.lab.refreshDatasets());
  await user.click(await screen.findByRole('button', { name: /a\.zarr/ }));
  expect(await screen.findByAltText('Bag')).toBeTruthy();
  await screen.findByText('Deduplicated');
  expect(view.textContent).toContain('Samples1,200');
  expect(view.textContent).toContain('5.0×');
  expect(view.textContent).toContain('1200 × 8 float32 · blosc-zstd');
  expect(view.textContent).toContain('warm');

  await user.click(screen.getByRole('button', { name: 'Use' }));
  expect(lab.commands[0][1].code).toContain('lepton.open_dataset("a.zarr")');
  await user.click(screen.getByRole('button', { name: /b\.zarr/ }));
  expect(screen.getByRole('alert').textContent).toBe('b.zarr: torn.');
});

it('suggests a name for what is imported', () => {
  expect(suggested('keras:mnist')).toBe('mnist.zarr');
  expect(suggested('photos/')).toBe('photos.zarr');
  expect(suggested('')).toBe('');
});
