import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import * as React from 'react';
import { refused, Surroundings } from '../../__tests__/surroundings';
import type { ISearch } from '../../types';
import { SearchLine } from '../searchline';

const user = userEvent.setup({ delay: null });
const search: ISearch = {
  trials: 50,
  asked: 12,
  search: 'tpe',
  prune: 'hyperband',
  metric: 'val_accuracy',
  mode: 'max',
  state: 'running',
  error: null
};

it('says how far a search is, and stops it', async () => {
  const lab = new Surroundings();
  const onChange = jest.fn();
  lab.show(<SearchLine id="s3" search={search} onChange={onChange} />);
  expect(screen.getByText('12 of 50 trials · tpe, hyperband · most val_accuracy')).toBeTruthy();
  await user.click(screen.getByRole('button', { name: 'Stop the search' }));
  expect(lab.requests).toEqual([['POST', 'runs/s3/cancel', {}]]);
  expect(onChange).toHaveBeenCalledTimes(1);
});

it('lets one whose host died go on, or says why it cannot', async () => {
  const lab = new Surroundings();
  lab.answers['POST runs/s3/resume'] = refused('No cluster runs.');
  lab.show(<SearchLine id="s3" search={{ ...search, state: 'lost' }} onChange={jest.fn()} />);
  await user.click(screen.getByRole('button', { name: 'Go on' }));
  expect(screen.getByRole('alert').textContent).toContain('No cluster runs.');
});
