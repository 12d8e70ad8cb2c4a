/** The curves of one run: a chart for each metric, training and validation in one. */
import * as React from 'react';
import { curveColour } from '../../charts/colours';
import { ICurve, Legend, Plot } from '../../charts/plot';
import { useLepton } from '../../context';
import { Empty, Section } from '../parts';
import { families, family } from '../metrics';
import type { Steps } from './feed';
import { number, tick } from '../../format';

export function Curves(props: {
  steps: Steps;
  revision: number;
  running: boolean;
  epochs: boolean;
}): JSX.Element | null {
  const { trans } = useLepton();
  const [log, setLog] = React.useState(false);
  const { step, metrics } = React.useMemo(() => props.steps.columns(), [props.revision]);
  const groups = families([...metrics.keys()]);
  if (!groups.length) {
    return props.running ? (
      <Section title={trans.__('Metrics')}>
        <Empty>
          {trans.__(
            'No metric yet. Keras’ fit reports its own; anything else is logged by lepton.log(loss=…).'
          )}
        </Empty>
      </Section>
    ) : null;
  }
  return (
    <Section
      title={trans.__('Metrics')}
      note={trans._n('%1 step', '%1 steps', step.length)}
      actions={
        <label className="lp-Switch">
          <input type="checkbox" checked={log} onChange={e => setLog(e.target.checked)} />
          {trans.__('Log scale')}
        </label>
      }
    >
      <div className={`lp-Charts${groups.length === 1 ? ' lp-mod-one' : ''}`}>
        {groups.map(names => (
          <Chart
            key={family(names[0])}
            names={names}
            step={step}
            metrics={metrics}
            log={log}
            xName={props.epochs ? trans.__('epoch') : trans.__('step')}
          />
        ))}
      </div>
    </Section>
  );
}

function Chart(props: {
  names: string[];
  step: number[];
  metrics: Map<string, Array<number | null>>;
  log: boolean;
  xName: string;
}): JSX.Element {
  const { trans } = useLepton();
  const [index, setIndex] = React.useState<number | null>(null);
  const base = family(props.names[0]);
  const paired = props.names.length > 1;
  const curves: ICurve[] = React.useMemo(
    () =>
      props.names.map(name => ({
        key: name,
        label: name !== base ? trans.__('validation') : paired ? trans.__('training') : name,
        colour: curveColour(name === base ? 0 : 1),
        y: props.metrics.get(name) ?? []
      })),
    [props.metrics]
  );
  return (
    <figure className="lp-Chart">
      <figcaption>
        <h3 title={base}>{base}</h3>
        {index !== null && (
          <span className="lp-Dim">{`${props.xName} ${tick(props.step[index] ?? 0)}`}</span>
        )}
        <Legend
          curves={
            paired || props.names[0] !== base ? curves : curves.map(c => ({ ...c, label: '' }))
          }
          index={index}
          format={number}
        />
      </figcaption>
      <Plot
        label={trans.__('%1 over %2', base, props.xName)}
        x={props.step}
        curves={curves}
        height={190}
        xName={props.xName}
        log={props.log}
        format={tick}
        sync="lepton-run"
        onCursor={setIndex}
        resetLabel={trans.__('Reset zoom')}
      />
    </figure>
  );
}
