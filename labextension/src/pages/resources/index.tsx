/** The page of resources: this machine, each GPU, each worker, each run, over the last hour. */
import * as React from 'react';
import { Silence } from '../../components/silence';
import { useLepton } from '../../context';
import { Empty } from '../parts';
import { useResources } from './feed';
import { Gpus } from './gpus';
import { Machine } from './machine';
import { RANGES, windowOf } from './ranges';
import { Runs } from './runs';
import { Workers } from './workers';

export function ResourcesPage(): JSX.Element {
  const { trans } = useLepton();
  const [minutes, setMinutes] = React.useState(5);
  const resources = useResources(minutes > 5 ? 5000 : 1000);
  const shown = windowOf(resources.times, minutes);
  const host = resources.latest?.host;
  return (
    <div className="lp-Page-body">
      <header className="lp-Head">
        <div className="lp-Head-row">
          <h1>{trans.__('Resources')}</h1>
          <div
            className="lp-Choice"
            role="radiogroup"
            aria-label={trans.__('How far back')}
            onKeyDown={event => {
              const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
              const next = RANGES[RANGES.indexOf(minutes) + step];
              if (step && next) {
                event.preventDefault();
                setMinutes(next);
                const buttons = event.currentTarget.querySelectorAll('button');
                buttons[RANGES.indexOf(next)]?.focus();
              }
            }}
          >
            {RANGES.map(range => (
              <button
                key={range}
                role="radio"
                aria-checked={range === minutes}
                tabIndex={range === minutes ? 0 : -1}
                onClick={() => setMinutes(range)}
              >
                {trans.__('%1 min', range)}
              </button>
            ))}
          </div>
        </div>
      </header>
      <Silence className="lp-Advice" />
      <Machine resources={resources} shown={shown} />
      <Gpus resources={resources} shown={shown} />
      <Workers resources={resources} minutes={minutes} />
      <Runs resources={resources} minutes={minutes} />
      {!host && resources.times.length === 0 && (
        <Empty>{trans.__('Waiting for the first sample…')}</Empty>
      )}
    </div>
  );
}
