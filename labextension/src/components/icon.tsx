import * as React from 'react';

/** Strokes in a box of 16; they take the colour of the text around them. */
const PATHS = {
  add: 'M8 3v10M3 8h10',
  adopt:
    'M9.500 6.500l4-4M10 2.500h3.500V6M12.500 9v3.500a1 1 0 0 1-1 1h-8a1 1 0 0 1-1-1v-8a1 1 0 0 1 1-1H7',
  cancel:
    'M8 2.500a5.500 5.500 0 1 0 0 11a5.500 5.500 0 1 0 0-11M5.800 5.800l4.400 4.400M10.200 5.800l-4.400 4.400',
  check: 'M3 8.500l3.200 3.200L13 4.800',
  chevron: 'M6 4l4 4-4 4',
  close: 'M4 4l8 8M12 4l-8 8',
  code: 'M5.500 4.500L2 8l3.500 3.500M10.500 4.500L14 8l-3.500 3.500',
  compare: 'M3 13V8M8 13V3M13 13V6',
  dashed: 'M8 2.500a5.500 5.500 0 1 0 0 11a5.500 5.500 0 1 0 0-11',
  deploy: 'M8 10V3M5 5.500L8 2.500l3 3M3 10v2.500a1 1 0 0 0 1 1h8a1 1 0 0 0 1-1V10',
  disc: 'M8 3.500a4.500 4.500 0 1 0 0 9a4.500 4.500 0 1 0 0-9',
  eye: 'M1.500 8S4 3.500 8 3.500 14.500 8 14.500 8 12 12.500 8 12.500 1.500 8 1.500 8zM8 6a2 2 0 1 0 0 4a2 2 0 1 0 0-4',
  import: 'M8 2.500V10M5 7l3 3 3-3M3 10v2.500a1 1 0 0 0 1 1h8a1 1 0 0 0 1-1V10',
  jump: 'M3 3v6a1.500 1.500 0 0 0 1.500 1.500H13M10 7.500l3 3-3 3',
  label: 'M2.500 3v4.500l6 6 5-5-6-6zM5.500 6a.4 .4 0 1 0 .1 0',
  open: 'M9.500 2.500h4v4M13.500 2.500L8 8M12.500 9.500v3a1 1 0 0 1-1 1h-8a1 1 0 0 1-1-1v-8a1 1 0 0 1 1-1h3',
  rerun: 'M13 8a5 5 0 1 1-1.600-3.700M13 2.500V5h-2.500',
  scale: 'M3 10v3h3M13 6V3h-3M3 13l4-4M13 3L9 7',
  search: 'M7 2.500a4.500 4.500 0 1 0 0 9a4.500 4.500 0 1 0 0-9M10.300 10.300l3.200 3.200',
  snapshot:
    'M2.500 5h2.500l1-1.500h4L11 5h2.500v7.500h-11zM8 6.500a2.200 2.200 0 1 0 0 4.400a2.200 2.200 0 1 0 0-4.400',
  stop: 'M4.500 4.500h7v7h-7z',
  trash: 'M3 4.500h10M6 4.500V3h4v1.500M4.500 4.500l.5 9h6l.5-9M7 7v4M9 7v4',
  try: 'M5 3.500v9l7-4.500z',
  warn: 'M8 2.500l6 11H2zM8 6.500v3.500M8 11.700v.3'
} as const;

export type IconName = keyof typeof PATHS;

const FILLED: ReadonlySet<IconName> = new Set<IconName>(['disc']);

export const Icon = React.memo(function Icon(props: {
  name: IconName;
  className?: string;
}): JSX.Element {
  return (
    <svg
      className={`lps-Icon ${props.className ?? ''}`}
      viewBox="0 0 16 16"
      width="16"
      height="16"
      aria-hidden="true"
      fill={FILLED.has(props.name) ? 'currentColor' : 'none'}
      stroke="currentColor"
      strokeWidth="1.4"
      strokeLinecap="round"
      strokeLinejoin="round"
      strokeDasharray={props.name === 'dashed' ? '2.300 2.300' : undefined}
    >
      <path d={PATHS[props.name]} />
    </svg>
  );
});
