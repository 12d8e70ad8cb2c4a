/** Parallel coordinates: a line per run across its parameters and results; drag on an axis to filter. */
import * as React from 'react';
import { useLepton } from '../context';
import { Brush, IAxis, nudged, place, ticks, Value, valueAt } from './axes';
import { number } from '../format';

export interface IStrand {
  id: string;
  values: Record<string, Value>;
  colour: string;
  title: string;
  faint: boolean;
}

const HEIGHT = 280;
const TOP = 30;
const BOTTOM = 14;
const SIDE = 56;
const SNAP = 0.04; // of an axis: who ends this near to its end means the end

export function Parallel(props: {
  axes: IAxis[];
  strands: IStrand[];
  brushes: ReadonlyMap<string, Brush>;
  onBrush: (key: string, brush: Brush | null) => void;
  highlight: string | null;
  onHighlight: (id: string | null) => void;
}): JSX.Element {
  const { trans } = useLepton();
  const box = React.useRef<HTMLDivElement>(null);
  const [width, setWidth] = React.useState(720);
  const drag = React.useRef<{ key: string; from: number; moved: boolean } | null>(null);
  React.useEffect(() => {
    if (!box.current) {
      return;
    }
    const observer = new ResizeObserver(([entry]) =>
      setWidth(Math.max(320, Math.floor(entry.contentRect.width)))
    );
    observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  const { axes, brushes } = props;
  const x = (i: number) =>
    axes.length < 2 ? width / 2 : SIDE + (i * (width - 2 * SIDE)) / (axes.length - 1);
  const y = (at: number) => TOP + (1 - at) * (HEIGHT - TOP - BOTTOM);
  const atOf = (event: React.PointerEvent) => {
    const { top } = (event.currentTarget as Element).ownerDocument
      .getElementById(plotId.current)!
      .getBoundingClientRect();
    const share = 1 - (event.clientY - top - TOP) / (HEIGHT - TOP - BOTTOM);
    return share < SNAP ? 0 : share > 1 - SNAP ? 1 : share;
  };
  const plotId = React.useRef(`lepton-parallel-${Math.random().toString(36).slice(2)}`);
  const lines = [...props.strands].sort(
    (a, b) => rank(a, props.highlight) - rank(b, props.highlight)
  );
  return (
    <div className="lp-Parallel" ref={box}>
      <svg
        id={plotId.current}
        width={width}
        height={HEIGHT}
        role="group"
        aria-label={trans.__('Parallel coordinates of %1 runs', props.strands.length)}
      >
        <g fill="none">
          {lines.map(strand => (
            <path
              key={strand.id}
              d={path(axes, strand, x, y)}
              stroke={strand.faint ? 'var(--jp-border-color1)' : strand.colour}
              strokeWidth={strand.id === props.highlight ? 3.5 : 1.6}
              opacity={
                strand.faint ? 0.35 : props.highlight && strand.id !== props.highlight ? 0.3 : 0.9
              }
              onMouseEnter={() => props.onHighlight(strand.id)}
              onMouseLeave={() => props.onHighlight(null)}
            >
              <title>{strand.title}</title>
            </path>
          ))}
        </g>
        {axes.map((axis, i) => {
          const brush = brushes.get(axis.key);
          const side = i === axes.length - 1 && axes.length > 1 ? -1 : 1;
          return (
            <g
              key={axis.key}
              transform={`translate(${x(i)},0)`}
              className="lp-Parallel-axis"
              tabIndex={0}
              role="slider"
              aria-orientation="vertical"
              aria-label={trans.__('Filter %1: arrows narrow, Escape clears', axis.label)}
              aria-valuemin={0}
              aria-valuemax={100}
              aria-valuenow={Math.round((brush?.[0] ?? 0) * 100)}
              aria-valuetext={brush ? said(axis, brush) : trans.__('all')}
              onKeyDown={event => {
                const next = nudged(brush, event.key, event.shiftKey);
                if (next || event.key === 'Escape') {
                  event.preventDefault();
                  props.onBrush(axis.key, next);
                }
              }}
            >
              <text className="lp-Parallel-name" y={14} textAnchor="middle">
                {axis.label.length > 20 ? `${axis.label.slice(0, 19)}…` : axis.label}
                <title>{axis.label}</title>
              </text>
              <line y1={y(1)} y2={y(0)} />
              {ticks(axis).map(({ at, text }) => (
                <text
                  key={text}
                  x={side * 7}
                  y={y(at) + 3.5}
                  textAnchor={side > 0 ? 'start' : 'end'}
                  className="lp-Parallel-tick"
                >
                  {text.length > 12 ? `${text.slice(0, 11)}…` : text}
                </text>
              ))}
              {brush && (
                <rect
                  className="lp-Parallel-brush"
                  x={-7}
                  width={14}
                  y={y(brush[1])}
                  height={Math.max(3, y(brush[0]) - y(brush[1]))}
                  rx={2}
                />
              )}
              <rect
                className="lp-Parallel-grip"
                x={-14}
                width={28}
                y={TOP - 8}
                height={HEIGHT - TOP - BOTTOM + 16}
                onPointerDown={event => {
                  (event.currentTarget as Element).setPointerCapture(event.pointerId);
                  drag.current = { key: axis.key, from: atOf(event), moved: false };
                }}
                onPointerMove={event => {
                  const held = drag.current;
                  if (held?.key === axis.key) {
                    const to = atOf(event);
                    held.moved ||= Math.abs(to - held.from) > 0.02;
                    if (held.moved) {
                      props.onBrush(axis.key, [Math.min(held.from, to), Math.max(held.from, to)]);
                    }
                  }
                }}
                onPointerUp={() => {
                  if (drag.current && !drag.current.moved) {
                    props.onBrush(axis.key, null);
                  }
                  drag.current = null;
                }}
              />
            </g>
          );
        })}
      </svg>
    </div>
  );
}

function rank(strand: IStrand, highlight: string | null): number {
  return strand.id === highlight ? 2 : strand.faint ? 0 : 1;
}

function said(axis: IAxis, brush: Brush): string {
  if (axis.kind === 'names') {
    return axis.names
      .filter(name => {
        const at = place(axis, name);
        return at !== null && at >= brush[0] && at <= brush[1];
      })
      .join(', ');
  }
  return `${number(valueAt(axis, brush[0]))} – ${number(valueAt(axis, brush[1]))}`;
}

/** The line of a run; it is broken where there is no value. */
function path(
  axes: readonly IAxis[],
  strand: IStrand,
  x: (i: number) => number,
  y: (at: number) => number
): string {
  let d = '';
  let pen = false;
  axes.forEach((axis, i) => {
    const at = place(axis, strand.values[axis.key]);
    if (at === null) {
      pen = false;
      return;
    }
    d += `${pen ? 'L' : 'M'}${x(i).toFixed(1)},${y(at).toFixed(1)}`;
    pen = true;
  });
  return d;
}
