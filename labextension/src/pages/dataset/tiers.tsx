/** In which tier a dataset is, what that costs, and moving it: first what would happen, then doing it. */
import * as React from 'react';
import { useLepton } from '../../context';
import { Fact, Facts, Section } from '../parts';
import { TaskLine, useTask } from '../taskline';
import { bytes, number } from '../../format';

const POLICIES = ['auto', 'hot', 'warm', 'cold'];

export function Tiers(props: {
  path: string;
  place: Record<string, any> | null;
  onChange: () => void;
}): JSX.Element | null {
  const { api, trans } = useLepton();
  const [policy, setPolicy] = React.useState('auto');
  const task = useTask(done => {
    if (done.result?.moved) {
      props.onChange();
    }
  });
  const { place } = props;
  if (!place) {
    return null;
  }
  const plan = task.task?.state === 'done' ? task.task.result?.dataset : null;
  const moved = task.task?.state === 'done' ? task.task.result?.moved : null;
  const money = (v: number | null | undefined) =>
    typeof v === 'number' ? `${v.toPrecision(2)} ${place.currency ?? ''}` : '–';
  const facts: Fact[] = [
    [trans.__('Tier'), String(place.tier ?? '–')],
    [trans.__('Importance'), number(place.importance)],
    [trans.__('Score'), number(place.score)],
    [trans.__('A month'), money(place.money_per_month)]
  ];
  const words: Record<string, string> = {
    auto: trans.__('auto: where it is cheapest'),
    hot: trans.__('hot: quick to read'),
    warm: trans.__('warm: as imported'),
    cold: trans.__('cold: smallest')
  };
  return (
    <Section title={trans.__('Tier')}>
      <Facts facts={facts} />
      <div className="lp-Row">
        <select
          aria-label={trans.__('Policy')}
          value={policy}
          onChange={event => setPolicy(event.target.value)}
        >
          {POLICIES.map(name => (
            <option key={name} value={name}>
              {words[name]}
            </option>
          ))}
        </select>
        <button
          className="lp-Action"
          disabled={task.running}
          onClick={() => task.run(() => api.tier(props.path, { policy, dry_run: true }))}
        >
          {trans.__('What would happen')}
        </button>
      </div>
      <TaskLine task={task} />
      {plan && !moved && (
        <div className="lp-Row" role="status">
          <span>
            {plan.to && plan.to !== plan.tier
              ? trans.__(
                  'From %1 to %2: %3 → %4',
                  plan.tier,
                  plan.to,
                  bytes(plan.bytes),
                  bytes(plan.to_bytes)
                )
              : trans.__('It stays in %1.', plan.tier ?? place.tier)}
          </span>
          {plan.to && plan.to !== plan.tier && (
            <button
              className="lp-Action"
              onClick={() => task.run(() => api.tier(props.path, { policy }))}
            >
              {trans.__('Move it')}
            </button>
          )}
        </div>
      )}
      {moved && (
        <p className="lp-Fine" role="status">
          {trans.__('Moved to %1.', moved.to ?? moved.tier ?? policy)}
        </p>
      )}
    </Section>
  );
}
