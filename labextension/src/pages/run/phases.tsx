/** The phases of a run as one bar: queued, start, run, gather. */
import * as React from 'react';
import { PartsBar } from '../../charts/bars';
import { useVisible } from '../../charts/visible';
import { useLepton } from '../../context';
import type { IRun } from '../../types';
import { Section, useClock } from '../parts';
import { duration } from '../../format';

const PHASES: Array<[string, string]> = [
  ['queued', '#7d858f'],
  ['start', '#a8851e'],
  ['run', '#2b87d1'],
  ['gather', '#2e9e5b']
];

export interface IPhase {
  name: string;
  seconds: number;
  /** Under way: counted up to now. */
  live?: boolean;
}

/** Seconds of each phase, up to now for the one under way. */
export function phasesOf(run: IRun, now: number): IPhase[] {
  const { phases, submitted, started } = run;
  const known = PHASES.map(([name]) => name)
    .filter(name => typeof phases[name] === 'number')
    .map((name): IPhase => ({ name, seconds: phases[name] }));
  if (run.state === 'queued') {
    return [{ name: 'queued', seconds: now - submitted, live: true }];
  }
  if (started === null || started === undefined) {
    return known;
  }
  const queued = { name: 'queued', seconds: started - submitted };
  if (run.state !== 'running') {
    return known.length || !run.ended
      ? known
      : [queued, { name: 'run', seconds: run.ended - started }];
  }
  if (phases.start === undefined) {
    return [queued, { name: 'start', seconds: now - started, live: true }];
  }
  return phases.run === undefined
    ? [...known, { name: 'run', seconds: now - started - phases.start, live: true }]
    : known;
}

export function Phases(props: { run: IRun }): JSX.Element | null {
  const { trans } = useLepton();
  const { run } = props;
  const active = run.state === 'running' || run.state === 'queued';
  const now = useClock(useVisible() && active);
  const words: Record<string, string> = {
    queued: trans.__('queued'),
    start: trans.__('start'),
    run: trans.__('run'),
    gather: trans.__('gather')
  };
  const colours = Object.fromEntries(PHASES);
  const parts = phasesOf(run, now).map(phase => ({
    key: phase.name,
    label: words[phase.name],
    value: phase.seconds,
    text: duration(phase.seconds),
    colour: colours[phase.name],
    live: phase.live
  }));
  if (!parts.length) {
    return null;
  }
  return (
    <Section title={trans.__('Phases')}>
      <PartsBar parts={parts} label={trans.__('Phases')} />
    </Section>
  );
}
