import * as React from 'react';
import { useLepton } from '../context';
import type { ResourceHistory } from '../history';

const WIDTH = 300;
const HEIGHT = 32;
const POINTS = 150; // more than there are pixels for only costs time

/** A curve of the last minutes that follows the samples by reference: React draws it once. */
export function LiveChart(props: {
  title: string;
  minutes: number;
  lines: readonly { series: string; name?: string }[];
  /** The top of the axis; null: the highest value there is. */
  high?: number | null | ((history: ResourceHistory) => number | null);
  value: (history: ResourceHistory) => string;
}): JSX.Element {
  const { lab } = useLepton();
  const box = React.useRef<HTMLElement>(null);
  const latest = React.useRef(props);
  latest.current = props;

  React.useEffect(() => {
    const draw = () => {
      if (box.current && !document.hidden && box.current.offsetParent !== null) {
        write(box.current, lab.resources, latest.current);
      }
    };
    draw();
    lab.resources.changed.connect(draw);
    document.addEventListener('visibilitychange', draw);
    return () => {
      lab.resources.changed.disconnect(draw);
      document.removeEventListener('visibilitychange', draw);
    };
  }, [lab, props.minutes]);

  return (
    <figure ref={box} className="lps-Chart" data-chart={props.title}>
      <figcaption>
        <span>{props.title}</span>
        <span className="lps-Chart-value">–</span>
      </figcaption>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={props.title}
      >
        {props.lines.map((line, index) => (
          <polyline
            key={line.series}
            className={`lps-mod-line${index}`}
            fill="none"
            stroke="currentColor"
            strokeWidth="1.3"
            vectorEffect="non-scaling-stroke"
          />
        ))}
      </svg>
    </figure>
  );
}

type Props = React.ComponentProps<typeof LiveChart>;

function write(box: HTMLElement, history: ResourceHistory, props: Props): void {
  const text = props.value(history);
  const caption = box.querySelector('.lps-Chart-value')!;
  if (caption.textContent !== text) {
    caption.textContent = text;
  }
  const { times } = history;
  const end = times.length ? times[times.length - 1] : 0;
  const begin = end - props.minutes * 60;
  const curves = props.lines.map(line =>
    thinned(times, history.series.get(line.series) ?? [], begin, end)
  );
  const high =
    (typeof props.high === 'function' ? props.high(history) : props.high) ??
    Math.max(1, ...curves.flat().map(([, value]) => value));
  const lines = box.querySelectorAll('polyline');
  curves.forEach((curve, index) => {
    let points = '';
    for (const [x, value] of curve) {
      const y = HEIGHT - 1 - (Math.min(value, high) / high) * (HEIGHT - 2);
      points += `${(x * WIDTH).toFixed(1)},${y.toFixed(1)} `;
    }
    lines[index]?.setAttribute('points', points);
  });
}

/** At most `POINTS` points of the time span: x from 0 to 1, and the highest value of each step. */
function thinned(
  times: readonly number[],
  values: readonly (number | null)[],
  begin: number,
  end: number
): [number, number][] {
  const points: [number, number][] = [];
  const span = end - begin || 1;
  const step = span / POINTS;
  let slot = -1;
  for (let i = firstAfter(times, begin); i < times.length; i++) {
    const value = values[i];
    if (value === null || value === undefined) {
      continue;
    }
    // Steps are fixed in time, so that a curve moves but does not flicker.
    const here = Math.floor(times[i] / step);
    if (here !== slot) {
      slot = here;
      points.push([(times[i] - begin) / span, value]);
    } else if (value > points[points.length - 1][1]) {
      points[points.length - 1][1] = value;
    }
  }
  return points;
}

function firstAfter(times: readonly number[], t: number): number {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < t) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}
