/** What a run has cost: energy and money, by part, and how far its estimate was off. */
import * as React from 'react';
import { useLepton } from '../../context';
import type { ICost, IRun } from '../../types';
import { Fact, Facts, Section } from '../parts';
import { duration, energy, money, number, percent } from '../../format';

export function Cost(props: { run: IRun }): JSX.Element | null {
  const { trans } = useLepton();
  const { cost, estimate, progress, ended } = props.run;
  if (!cost && !estimate) {
    return null;
  }
  const facts: Fact[] = [];
  if (cost) {
    const how = cost.energy === 'measured' ? trans.__('measured') : trans.__('estimated');
    facts.push(
      [trans.__('Energy'), `${energy(cost.energy_wh)} (${how})`],
      [trans.__('Money'), money(cost.money, cost.currency)]
    );
    const parts = Object.entries(cost.parts);
    if (parts.length > 1) {
      for (const [key, part] of parts) {
        facts.push([
          key === 'cpu' ? trans.__('of which CPU') : trans.__('of which %1', part.name || key),
          energy(part.energy_wh)
        ]);
      }
    }
    if (progress?.epoch) {
      facts.push([trans.__('An epoch'), per(cost, progress.epoch)]);
    }
    const accuracy = accuracyOf(props.run.metrics);
    if (accuracy) {
      facts.push([trans.__('A point of accuracy'), per(cost, 100 * accuracy)]);
    }
  }
  if (estimate) {
    const about = [duration(estimate.seconds)];
    if (!ended && estimate.energy_wh !== null && estimate.money !== null) {
      about.push(energy(estimate.energy_wh), money(estimate.money, estimate.currency ?? ''));
    }
    facts.push([trans.__('Estimated before'), about.join(' · ')]);
    if (estimate.error !== null) {
      facts.push([trans.__('Estimate was off by'), percent(estimate.error)]);
    } else {
      const off = estimate.typical_error;
      facts.push([
        trans.__('By earlier runs'),
        number(estimate.runs) + (off === null ? '' : ` · ${trans.__('off by %1', percent(off))}`)
      ]);
    }
  }
  return (
    <Section title={trans.__('Cost')}>
      <Facts facts={facts} />
    </Section>
  );
}

const LEAST = 1e-4; // money that is worth a word

function per(cost: ICost, amount: number): string {
  const price = cost.money / amount;
  const parts = [energy(cost.energy_wh / amount)];
  return (price < LEAST ? parts : [...parts, money(price, cost.currency)]).join(' · ');
}

/** How often a run is right: on validation data, if that was measured. */
export function accuracyOf(metrics: Record<string, number | null>): number | null {
  const found = Object.entries(metrics).filter(
    (one): one is [string, number] =>
      /acc/i.test(one[0]) && typeof one[1] === 'number' && one[1] > 0 && one[1] <= 1
  );
  const chosen = found.find(([name]) => name.startsWith('val_')) ?? found[0];
  return chosen ? chosen[1] : null;
}
