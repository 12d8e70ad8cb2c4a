/** How the curve of a run looks. */
import * as React from 'react';
import { ILook } from './comparison';

export function Swatch(props: { look?: ILook }): JSX.Element {
  return (
    <svg width="16" height="8" aria-hidden="true">
      <line
        x1="0"
        x2="16"
        y1="4"
        y2="4"
        stroke={props.look?.colour}
        strokeWidth="3"
        strokeDasharray={props.look?.dash?.join(' ')}
      />
    </svg>
  );
}
