/** A small curve without axes, in the colour of its text. */
import * as React from 'react';

export function linePoints(
  values: ArrayLike<number | null>,
  width: number,
  height: number,
  low: number,
  high: number
): string {
  const n = values.length;
  const out: string[] = [];
  for (let i = 0; i < n; i++) {
    const v = values[i];
    if (v === null || v === undefined || Number.isNaN(v)) {
      continue;
    }
    const x = n < 2 ? width : (i / (n - 1)) * width;
    const share = (Math.min(Math.max(v, low), high) - low) / (high - low || 1);
    out.push(`${x.toFixed(1)},${(height - 1 - share * (height - 2)).toFixed(1)}`);
  }
  return out.join(' ');
}

export const Sparkline = React.memo(function Sparkline(props: {
  values: ArrayLike<number | null>;
  label: string;
  low?: number;
  high?: number;
  width?: number;
  height?: number;
}): JSX.Element {
  const { width = 120, height = 22 } = props;
  let [low, high] = [props.low ?? Infinity, props.high ?? -Infinity];
  if (props.low === undefined || props.high === undefined) {
    for (let i = 0; i < props.values.length; i++) {
      const v = props.values[i];
      if (typeof v === 'number' && Number.isFinite(v)) {
        low = props.low ?? Math.min(low, v);
        high = props.high ?? Math.max(high, v);
      }
    }
  }
  return (
    <svg
      className="lp-Sparkline"
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={props.label}
    >
      <polyline
        points={linePoints(props.values, width, height, low, high)}
        fill="none"
        stroke="currentColor"
        strokeWidth="1.5"
        vectorEffect="non-scaling-stroke"
      />
    </svg>
  );
});
