import * as React from 'react';

/** Points of a polyline in a box of `width` by `height`; gaps where there is no value. */
export function polyline(
  values: readonly (number | null)[],
  width: number,
  height: number,
  low: number,
  high: number
): string {
  const step = values.length > 1 ? width / (values.length - 1) : 0;
  const span = high - low || 1;
  let text = '';
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (value !== null && isFinite(value)) {
      const y = height - ((Math.min(Math.max(value, low), high) - low) / span) * height;
      text += `${(i * step).toFixed(1)},${y.toFixed(1)} `;
    }
  }
  return text;
}

/** A small curve of at most some dozens of values. */
export const Sparkline = React.memo(function Sparkline(props: {
  values: readonly (number | null)[];
  label: string;
  width?: number;
  height?: number;
}): JSX.Element | null {
  const { values, width = 56, height = 16 } = props;
  const known = values.filter((value): value is number => value !== null && isFinite(value));
  if (known.length < 2) {
    return null;
  }
  const points = polyline(values, width - 2, height - 2, Math.min(...known), Math.max(...known));
  return (
    <svg
      className="lps-Sparkline"
      width={width}
      height={height}
      viewBox={`-1 -1 ${width} ${height}`}
      role="img"
      aria-label={props.label}
    >
      <polyline points={points} fill="none" stroke="currentColor" strokeWidth="1.3" />
    </svg>
  );
});
