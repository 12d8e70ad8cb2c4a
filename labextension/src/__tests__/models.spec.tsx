import { screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import * as React from 'react';
import { Models } from '../sidebar/models';
import { aRun, aTask, counts, Surroundings } from './surroundings';

const user = userEvent.setup({ delay: null });

const version = (number: number) => ({
  version: number,
  created: 0,
  note: null,
  run: `r${number}`,
  metrics: { loss: 0.5, accuracy: 0.8 + number / 100 },
  bytes: 1e6,
  inputs: [],
  outputs: [],
  classes: null,
  exports: [],
  preprocessing: null
});
const model = { name: 'fashion', promoted: 1, versions: [version(1), version(2)], endpoint: null };
const endpoint = { name: 'fashion', version: 1, url: 'http://127.0.0.1:1', runtime: 'keras' };
const sample = { index: 3, image: 'data:image/png;base64,', text: '', label: 'Coat' };

it('saves the model of a run that kept one', async () => {
  const lab = new Surroundings();
  lab.show(<Models />);
  await lab.say('models', { models: [] });
  await lab.say('runs', {
    runs: [aRun('r2', { values: ['model'], name: 'wide' }), aRun('r1')],
    counts: { ...counts, done: 2 },
    full: true
  });
  lab.answers['POST models'] = aTask('model save');
  await user.click(screen.getAllByRole('button', { name: 'Save a model' })[1]);
  await user.type(screen.getByLabelText('Name'), 'fashion');
  await user.click(screen.getByRole('button', { name: 'Save' }));
  expect(lab.requests).toEqual([['POST', 'models', { run: 'r2', name: 'fashion' }]]);
});

it('promotes and deploys versions, and asks before it removes one', async () => {
  const lab = new Surroundings();
  lab.show(<Models />);
  await lab.say('models', { models: [model] });
  await user.click(screen.getByRole('button', { name: /fashion/ }));
  lab.answers['POST models/fashion/deploy'] = aTask('model deploy');
  await user.click(screen.getByRole('button', { name: 'Promote v2' }));
  await user.click(screen.getAllByRole('button', { name: 'Deploy v1' })[0]);
  await user.click(screen.getByRole('button', { name: 'Remove v2' }));
  expect(lab.requests).toEqual([
    ['POST', 'models/fashion/promote', { version: 2 }],
    ['POST', 'models/fashion/deploy', { version: 1 }]
  ]);
  const question = screen.getByRole('alertdialog', { name: 'Remove version 2 of fashion?' });
  await user.click(within(question).getByRole('button', { name: 'Remove' }));
  expect(lab.requests[2]).toEqual(['DELETE', 'models/fashion?version=2&force=0']);
});

it('sends a sample to the endpoint and shows the answer beside the truth', async () => {
  const lab = new Surroundings();
  const row = { name: 'a.zarr', path: 'a.zarr', samples: 9, stored_bytes: 1, error: null };
  lab.answers['GET datasets'] = { datasets: [row] };
  lab.answers['GET datasets/preview?path=a.zarr&count=10&start=0'] = {
    kind: 'image',
    samples: [sample]
  };
  lab.answers['POST endpoints/fashion/predict'] = {
    outputs: [[0.25, 0.75]],
    classes: ['Bag', 'Coat'],
    top: [
      { class: 'Coat', score: 0.75 },
      { class: 'Bag', score: 0.25 }
    ],
    milliseconds: 4.25
  };
  await lab.lab.refreshDatasets();
  lab.show(<Models />);
  await lab.say('models', { models: [model] });
  await lab.say('endpoints', { endpoints: [endpoint] });
  await user.click(screen.getByRole('button', { name: /fashion/ }));
  await user.click(await screen.findByAltText('Coat'));
  const answer = await screen.findByRole('table', { name: 'Answer' });
  expect(answer.textContent).toBe('Coat75.0 %Bag25.0 %');
  expect(screen.getByText(/The dataset says: Coat · answered in 4.3 ms/)).toBeTruthy();
  expect(lab.requests[lab.requests.length - 1]).toEqual([
    'POST',
    'endpoints/fashion/predict',
    { sample: { path: 'a.zarr', index: 3 } }
  ]);
});
