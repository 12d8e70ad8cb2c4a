/** How a run's data came: rates, and what training waited for. */
import * as React from 'react';
import { PartsBar } from '../../charts/bars';
import { useLepton } from '../../context';
import { count, duration, percent } from '../../format';
import type { IRun } from '../../types';
import { Facts, Section } from '../parts';

interface IStream {
  dataset: string;
  stream: number;
  epoch: number;
  samples: number;
  seconds: number;
  waited: number;
  waited_share: number;
  first_batch: number;
  samples_per_second: number;
  decoded_mb_per_second: number;
  read: number;
  decode: number;
  gather: number;
  advice: string | null;
}

export function Streams(props: { run: IRun }): JSX.Element | null {
  const { trans } = useLepton();
  const streams = (props.run.streams ?? []) as IStream[];
  if (!streams.length) {
    return null;
  }
  return (
    <Section title={trans.__('How its data came')}>
      {streams.map(s => (
        <div key={s.stream} className="lp-Stream">
          <Facts
            facts={[
              [trans.__('Dataset'), s.dataset],
              [trans.__('Samples'), `${count(s.samples)} · ${count(s.samples_per_second)}/s`],
              [trans.__('Decoded'), `${count(s.decoded_mb_per_second)} MB/s`],
              [trans.__('First batch'), duration(s.first_batch)],
              [
                trans.__('Training waited'),
                `${percent(s.waited_share, 1)} · ${duration(s.waited)} ${trans.__('of')} ${duration(s.seconds)}`
              ]
            ]}
          />
          <PartsBar
            label={trans.__('Where the readers’ time went')}
            parts={[
              ['read', trans.__('read'), s.read, '#7468d9'],
              ['decode', trans.__('decode'), s.decode, '#2b87d1'],
              ['gather', trans.__('gather'), s.gather, '#1f93a8']
            ].map(([key, label, value, colour]) => ({
              key: key as string,
              label: label as string,
              value: value as number,
              text: percent(value as number),
              colour: colour as string
            }))}
          />
          {s.advice && <p className="lp-Advice">{s.advice}</p>}
        </div>
      ))}
    </Section>
  );
}
