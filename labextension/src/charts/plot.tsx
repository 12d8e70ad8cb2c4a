/** A chart with axes, cursor and zoom: uPlot in the theme's colours, with a legend of its own. */
import * as React from 'react';
import uPlot from 'uplot';

import { ITheme, themeOf, useThemeVersion } from './theme';
import { useVisible } from './visible';

export interface ICurve {
  /** Stays the same while the curve is the same. */
  key: string;
  label: string;
  colour: string;
  dash?: number[];
  width?: number;
  fill?: boolean;
  y: ArrayLike<number | null | undefined>;
}

export interface IPlotProps {
  /** What a person hears instead of the picture. */
  label: string;
  x: ArrayLike<number>;
  curves: ICurve[];
  height: number;
  /** x is seconds since the epoch. */
  time?: boolean;
  xName?: string;
  /** The ends of x, where they are not those of the data. */
  xRange?: [number, number];
  /** The lowest and highest y that are always shown; null: as the data has it. */
  yRange?: [number | null, number | null];
  log?: boolean;
  format: (value: number) => string;
  /** Plots of one name share their cursor. */
  sync?: string;
  /** The key of the curve to bring forward. */
  highlight?: string | null;
  onHighlight?: (key: string | null) => void;
  /** Told of the x under the cursor as an index, or null. */
  onCursor?: (index: number | null) => void;
  resetLabel: string;
}

export function Plot(props: IPlotProps): JSX.Element {
  const box = React.useRef<HTMLDivElement>(null);
  const plot = React.useRef<uPlot | null>(null);
  const latest = React.useRef(props);
  latest.current = props;
  const theme = useThemeVersion();
  const visible = useVisible();
  const [zoomed, setZoomed] = React.useState(false);
  const structure = JSON.stringify([
    theme,
    props.height,
    props.time,
    props.log,
    props.xName,
    props.curves.map(c => [c.key, c.colour, c.dash, c.width, c.fill])
  ]);

  React.useEffect(() => {
    const node = box.current;
    if (!node) {
      return;
    }
    const made = new uPlot(
      options(latest, node.clientWidth || 300, themeOf(node), setZoomed),
      dataOf(latest.current),
      node
    );
    plot.current = made;
    setZoomed(false);
    const resized = new ResizeObserver(() => {
      if (node.clientWidth && node.clientWidth !== made.width) {
        made.setSize({ width: node.clientWidth, height: latest.current.height });
      }
    });
    resized.observe(node);
    return () => {
      resized.disconnect();
      plot.current = null;
      made.destroy();
    };
  }, [structure]);

  React.useEffect(() => {
    const made = plot.current;
    if (!made || !visible) {
      return;
    }
    const { min, max } = made.scales.x;
    made.batch(() => {
      made.setData(dataOf(props), !zoomed);
      if (zoomed && typeof min === 'number' && typeof max === 'number') {
        made.setScale('x', { min, max }); // the same x, with y as the new data has it
      }
    });
  }, [props.x, props.curves, props.xRange?.[0], props.xRange?.[1], visible, structure]);

  React.useEffect(() => {
    const made = plot.current;
    if (!made) {
      return;
    }
    const index = props.curves.findIndex(c => c.key === props.highlight);
    made.setSeries(index < 0 ? null : index + 1, { focus: true }, false);
  }, [props.highlight, structure]);

  return (
    <div className="lp-Plot" role="img" aria-label={props.label}>
      <div ref={box} />
      {zoomed && (
        <button
          className="lp-Plot-reset"
          onClick={() => {
            plot.current?.setData(dataOf(latest.current), true);
            setZoomed(false);
          }}
        >
          {props.resetLabel}
        </button>
      )}
    </div>
  );
}

function dataOf(props: IPlotProps): uPlot.AlignedData {
  const clean = (y: ICurve['y']) =>
    props.log
      ? Array.from(y, v => (typeof v === 'number' && v > 0 ? v : v === undefined ? v : null))
      : (y as Array<number | null | undefined>);
  return [props.x as number[], ...props.curves.map(c => clean(c.y))];
}

function options(
  latest: React.MutableRefObject<IPlotProps>,
  width: number,
  theme: ITheme,
  setZoomed: (zoomed: boolean) => void
): uPlot.Options {
  const props = latest.current;
  const axis = {
    stroke: theme.faint,
    font: theme.font,
    grid: { stroke: theme.grid, width: 1 },
    ticks: { show: false },
    border: { show: false }
  };
  const [low, high] = props.yRange ?? [null, null];
  return {
    width,
    height: props.height,
    padding: [8, props.time ? 22 : 10, 0, 0],
    legend: { show: false },
    cursor: {
      y: false,
      points: { size: 7 },
      focus: { prox: props.curves.length > 1 ? 24 : -1 },
      drag: { x: true, y: false, uni: 12 },
      ...(props.sync ? { sync: { key: props.sync } } : {})
    },
    focus: { alpha: 0.25 },
    scales: {
      x: {
        time: !!props.time,
        ...(props.xRange
          ? {
              range: (u: uPlot, min: number, max: number): [number, number] => {
                const ends = latest.current.xRange;
                const whole = u.data[0].length === 0 || isWhole(u, min, max);
                return ends && whole ? ends : [min, max];
              }
            }
          : {})
      },
      y: {
        distr: props.log ? 3 : 1,
        range: props.log
          ? undefined
          : (_u, min, max) => {
              if (!Number.isFinite(min) || !Number.isFinite(max) || min === null) {
                return [low ?? 0, high ?? 1];
              }
              const bottom = low === null ? min : Math.min(low, min);
              const top = high === null ? max : Math.max(high, max);
              const pad = (top - bottom || Math.abs(top) || 1) * 0.06;
              return [low === null ? bottom - pad : bottom, high === null ? top + pad : top];
            }
      }
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 22,
        gap: 4,
        space: props.time ? 64 : 40,
        ...(props.xName
          ? { label: props.xName, labelSize: 15, labelGap: -2, labelFont: theme.font }
          : {}),
        ...(props.time
          ? { values: (_u: uPlot, at: number[]) => at.map(clock), incrs: SECONDS }
          : {
              incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6]
            })
      },
      {
        ...axis,
        gap: 4,
        space: 28,
        size: (_u, values) => 12 + 6.3 * Math.max(3, ...(values ?? []).map(v => v?.length ?? 0)),
        values: (_u, at) => at.map(v => (v === null ? '' : latest.current.format(v)))
      }
    ],
    series: [
      {},
      ...props.curves.map(curve => ({
        label: curve.label,
        stroke: curve.colour,
        width: curve.width ?? 1.75,
        dash: curve.dash,
        fill: curve.fill ? faded(curve.colour) : undefined,
        spanGaps: true,
        points: { show: (u: uPlot) => u.data[0].length < 2, size: 6, fill: curve.colour }
      }))
    ],
    hooks: {
      setCursor: [u => latest.current.onCursor?.(u.cursor.idx ?? null)],
      setSeries: [
        (u, index) => {
          const key = index ? (latest.current.curves[index - 1]?.key ?? null) : null;
          if (latest.current.onHighlight && key !== (latest.current.highlight ?? null)) {
            latest.current.onHighlight(key);
          }
        }
      ],
      setScale: [
        (u, key) => {
          if (key === 'x') {
            const { min, max } = u.scales.x;
            const ends = latest.current.xRange;
            const whole = isWhole(u, min, max) || (!!ends && min === ends[0] && max === ends[1]);
            setZoomed(!whole);
          }
        }
      ]
    }
  };
}

/** Steps of a time axis, in seconds: labels tell no less. */
const SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 86400];

function isWhole(u: uPlot, min: number | undefined, max: number | undefined): boolean {
  const x = u.data[0];
  return (
    x.length < 2 ||
    min === undefined ||
    max === undefined ||
    (min <= x[0] && max >= x[x.length - 1])
  );
}

function clock(seconds: number): string {
  const at = new Date(seconds * 1000);
  const two = (n: number) => String(n).padStart(2, '0');
  const minutes = `${two(at.getHours())}:${two(at.getMinutes())}`;
  return at.getSeconds() ? `${minutes}:${two(at.getSeconds())}` : minutes;
}

function faded(colour: string): string {
  return /^#[0-9a-f]{6}$/i.test(colour) ? `${colour}22` : 'transparent';
}

/** The curves' names and the values under the cursor, or the last ones. */
export function Legend(props: {
  curves: ICurve[];
  index: number | null;
  format: (value: number) => string;
  highlight?: string | null;
  onHighlight?: (key: string | null) => void;
}): JSX.Element {
  return (
    <ul className="lp-Legend">
      {props.curves.map(curve => (
        <li
          key={curve.key}
          className={props.highlight === curve.key ? 'lp-mod-on' : undefined}
          onMouseEnter={() => props.onHighlight?.(curve.key)}
          onMouseLeave={() => props.onHighlight?.(null)}
        >
          <svg width="18" height="8" aria-hidden="true">
            <line
              x1="0"
              x2="18"
              y1="4"
              y2="4"
              stroke={curve.colour}
              strokeWidth="2.5"
              strokeDasharray={curve.dash?.join(' ')}
            />
          </svg>
          <span>{curve.label}</span>
          <b>{valueAt(curve, props.index, props.format)}</b>
        </li>
      ))}
    </ul>
  );
}

export function valueAt(
  curve: ICurve,
  index: number | null,
  format: (value: number) => string
): string {
  let value: number | null | undefined;
  if (index !== null) {
    value = curve.y[index];
  } else {
    for (let i = curve.y.length - 1; i >= 0 && typeof value !== 'number'; i--) {
      value = curve.y[i];
    }
  }
  return typeof value === 'number' && Number.isFinite(value) ? format(value) : '–';
}
