import * as React from 'react';
import { ITrans, useLepton } from '../context';
import type { RunState } from '../types';
import { Icon, IconName } from './icon';

/** A shape for each state, so that colour is not all that tells them apart. */
const SHAPES: Record<RunState, IconName> = {
  queued: 'dashed',
  running: 'disc',
  done: 'check',
  failed: 'close',
  cancelled: 'cancel',
  lost: 'warn'
};

export const STATES = Object.keys(SHAPES) as RunState[];

export function stateWord(state: RunState, trans: ITrans): string {
  return {
    queued: trans.__('queued'),
    running: trans.__('running'),
    done: trans.__('done'),
    failed: trans.__('failed'),
    cancelled: trans.__('cancelled'),
    lost: trans.__('lost')
  }[state];
}

/** The state as a shape, with its word for screen readers; or beside it when `word` is given. */
export function StateBadge(props: { state: RunState; word?: boolean }): JSX.Element {
  const { trans } = useLepton();
  const word = stateWord(props.state, trans);
  return (
    <span className={`lps-State lps-mod-${props.state}`} title={word}>
      <Icon name={SHAPES[props.state]} />
      <span className={props.word ? '' : 'lps-Hidden'}>{word}</span>
    </span>
  );
}
