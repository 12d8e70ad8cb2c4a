/** How many samples each label has. */
import * as React from 'react';
import { RowBars } from '../../charts/bars';
import { useLepton } from '../../context';
import { count } from '../../format';
import { useLoaded } from '../loaded';
import { Section } from '../parts';

export function Labels(props: { path: string; groups: string[] }): JSX.Element | null {
  const { api, trans } = useLepton();
  const where = props.groups.length ? `${props.path}/${props.groups[0]}` : props.path;
  const [found] = useLoaded(() => api.labels(where), [where]);
  const labels = found?.labels;
  if (!labels) {
    return null;
  }
  return (
    <Section
      title={trans.__('Labels')}
      note={
        labels.samples < labels.of
          ? trans.__('of the first %1 of %2 samples', count(labels.samples), count(labels.of))
          : trans.__('of %1 samples', count(labels.samples))
      }
    >
      <RowBars
        label={trans.__('Samples by label')}
        rows={labels.names.map((name, i) => ({
          key: `${i}`,
          label: name,
          value: labels.counts[i],
          text: count(labels.counts[i]),
          note: `${((100 * labels.counts[i]) / labels.samples).toFixed(1)} %`
        }))}
      />
    </Section>
  );
}
