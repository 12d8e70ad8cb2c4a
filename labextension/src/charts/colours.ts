/** Colours of curves: middle tones, at least 3:1 on white and on JupyterLab's dark ground. */
export const CURVES = [
  '#2b87d1',
  '#d9752b',
  '#2e9e5b',
  '#b455b6',
  '#d9453d',
  '#1f93a8',
  '#a8851e',
  '#7468d9'
];

export function curveColour(index: number): string {
  return CURVES[index % CURVES.length];
}

/** From dark blue over green to yellow, for values from 0 to 1; readable on both grounds. */
export function scaleColour(share: number): string {
  const t = Math.min(1, Math.max(0, share));
  const stops = [
    [90, 76, 178],
    [43, 135, 209],
    [31, 147, 130],
    [122, 160, 50],
    [214, 140, 30]
  ];
  const at = t * (stops.length - 1);
  const i = Math.min(stops.length - 2, Math.floor(at));
  const f = at - i;
  const mix = stops[i].map((v, k) => Math.round(v + (stops[i + 1][k] - v) * f));
  return `rgb(${mix.join(',')})`;
}
