/** Numbers, sizes and times as people read them. */

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** `1.2 GB`; three figures at most. */
export function bytes(count: number | null | undefined): string {
  if (count === null || count === undefined || !isFinite(count)) {
    return '–';
  }
  let value = Math.abs(count);
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 99.5 || Number.isInteger(value) ? 0 : value >= 9.95 ? 1 : 2;
  return `${count < 0 ? '−' : ''}${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** `1.2 MB/s`. */
export function rate(perSecond: number | null | undefined): string {
  return `${bytes(perSecond)}/s`;
}

/** `1 MB/s`, where two rates share a line. */
export function roughRate(perSecond: number | null | undefined): string {
  return rate(perSecond).replace(/[.]\d+/, '');
}

/** `34 %`, or a dash. */
export function percent(value: number | null | undefined): string {
  return value === null || value === undefined ? '–' : `${value.toFixed(0)} %`;
}

/** A metric or parameter: four figures, no trail of zeros. */
export function figure(value: unknown): string {
  if (typeof value !== 'number') {
    return value === null || value === undefined
      ? '–'
      : typeof value === 'object'
        ? JSON.stringify(value)
        : String(value);
  }
  if (Number.isInteger(value) && Math.abs(value) < 1e6) {
    return String(value);
  }
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) {
    return value.toExponential(2).replace(/\.?0+e/, 'e');
  }
  return String(Number(value.toPrecision(4)));
}

/** A metric in a column: as many decimals as its neighbours. */
export function metric(value: number | null | undefined): string {
  if (value === null || value === undefined || !isFinite(value)) {
    return '–';
  }
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e5)
    ? figure(value)
    : value.toFixed(size < 10 ? 4 : size < 1000 ? 2 : 0);
}

/** `12,345`. */
export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? '–' : value.toLocaleString('en-US');
}

/** How long: `0.8 s`, `42 s`, `3 min 20 s`, `2 h 5 min`, `3 d`. */
export function duration(seconds: number): string {
  if (seconds < 9.95) {
    return `${Math.max(0, seconds).toFixed(1)} s`;
  }
  const whole = Math.round(seconds);
  if (whole < 60) {
    return `${whole} s`;
  }
  const [minutes, rest] = [Math.floor(whole / 60), whole % 60];
  if (minutes < 60) {
    return rest ? `${minutes} min ${rest} s` : `${minutes} min`;
  }
  const hours = Math.floor(minutes / 60);
  if (hours < 48) {
    return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  }
  return `${Math.floor(hours / 24)} d`;
}

/** How long, as a clock that does not jump in width: `0:42`, `1:02:03`. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [
    Math.floor(whole / 3600),
    Math.floor(whole / 60) % 60,
    whole % 60
  ];
  const two = (value: number) => String(value).padStart(2, '0');
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** When: the time of today, else the day. */
export function when(t: number, now = Date.now() / 1000): string {
  const date = new Date(t * 1000);
  const sameDay = date.toDateString() === new Date(now * 1000).toDateString();
  return sameDay
    ? date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
    : date.toLocaleDateString([], { day: 'numeric', month: 'short' });
}

/** `lr=0.01 units=64`. */
export function params(values: Record<string, unknown>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${figure(value)}`)
    .join(' ');
}
