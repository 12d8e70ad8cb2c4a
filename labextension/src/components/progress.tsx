import * as React from 'react';

/** A bar for a share from 0 to 1; null where nobody knows how much is left. */
export function Progress(props: { value: number | null; label: string }): JSX.Element {
  const { value } = props;
  return (
    <div
      className={`lps-Progress ${value === null ? 'lps-mod-unknown' : ''}`}
      role="progressbar"
      aria-label={props.label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={value === null ? undefined : Math.round(value * 100)}
    >
      <div style={value === null ? undefined : { transform: `scaleX(${clamp(value)})` }} />
    </div>
  );
}

export function Spinner(): JSX.Element {
  return <span className="lps-Spinner" aria-hidden="true" />;
}

function clamp(value: number): number {
  return Math.min(1, Math.max(0, value));
}
