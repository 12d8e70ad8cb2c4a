/** Some series of resources over the time that is shown. */
import * as React from 'react';
import { ICurve, Legend, Plot } from '../../charts/plot';
import { thin } from '../../charts/thin';
import { useLepton } from '../../context';
import type { ResourceHistory, Values } from '../../history';
import { buckets, IWindow } from './ranges';

const POINTS = 360; // of a curve, at most

export interface IPart {
  resources: ResourceHistory;
  shown: IWindow;
}

export interface ILine {
  series: string;
  label: string;
  colour: string;
}

export function Chart(
  props: IPart & {
    title: string;
    note: string;
    lines: ILine[];
    format: (value: number) => string;
    yRange: [number | null, number | null];
    fill?: boolean;
  }
): JSX.Element {
  const { trans } = useLepton();
  const { resources, shown } = props;
  const [index, setIndex] = React.useState<number | null>(null);
  const last = resources.times[resources.times.length - 1];
  // All lines share their x: the first is thinned, and the others with it where there are several.
  const [x, curves] = React.useMemo((): [number[], ICurve[]] => {
    const of = (line: ILine): Values =>
      (resources.series.get(line.series) ?? []).slice(shown.begin);
    const columns = props.lines.map(of);
    let times = shown.times;
    let ys: Values[] = columns;
    if (times.length > POINTS) {
      if (columns.length === 1) {
        const [tx, ty] = thin(times, columns[0], POINTS);
        [times, ys] = [tx, [ty]];
      } else {
        [times, ys] = buckets(times, columns, POINTS);
      }
    }
    return [
      times,
      props.lines.map((line, i) => ({
        key: line.series,
        label: line.label,
        colour: line.colour,
        fill: props.fill,
        y: ys[i]
      }))
    ];
  }, [last, shown.from, shown.begin, resources.times.length]);
  return (
    <figure className="lp-Chart">
      <figcaption>
        <h3>{props.title}</h3>
        <span className="lp-Dim">
          {index !== null && x[index] ? new Date(x[index] * 1000).toLocaleTimeString() : props.note}
        </span>
        <Legend curves={curves} index={index} format={props.format} />
      </figcaption>
      <Plot
        label={trans.__('%1 over time', props.title)}
        x={x}
        curves={curves}
        height={140}
        time
        xRange={[shown.from, shown.to]}
        yRange={props.yRange}
        format={props.format}
        sync="lepton-resources"
        onCursor={setIndex}
        resetLabel={trans.__('Reset zoom')}
      />
    </figure>
  );
}
