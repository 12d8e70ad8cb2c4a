import { act } from '@testing-library/react';
import * as React from 'react';
import { Clusters } from '../sidebar/clusters';
import { Surroundings } from './surroundings';

const SENTENCE = '1 core and 2 GiB are granted here: a cluster has 2 workers at most.';

test.each([
  [SENTENCE, true],
  [null, false]
])('what is granted is said beside the clusters where it limits them: %s', (granted, shown) => {
  const lab = new Surroundings();
  act(() => lab.lab.about.set({ granted } as any));
  const view = lab.show(<Clusters />);
  expect(view.textContent!.includes(SENTENCE)).toBe(shown);
});
