/** How sizes, durations, numbers and times are written on the pages; as lepton_jlab/runs/words.py. */

/** 47 040 080 → "47.0 MB". */
export function bytes(count: number | null | undefined): string {
  if (count === null || count === undefined || !Number.isFinite(count)) {
    return '–';
  }
  if (Math.abs(count) < 999.5) {
    return `${Math.round(count)} B`;
  }
  let amount = count;
  for (const unit of ['kB', 'MB', 'GB', 'TB']) {
    amount /= 1000;
    if (Math.abs(amount) < 999.95 || unit === 'TB') {
      return `${amount.toFixed(1)} ${unit}`;
    }
  }
  return '';
}

/** 75 → "1 min 15 s": the two units that matter. */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) {
    return '–';
  }
  const s = Math.max(seconds, 0);
  if (s < 0.0995) {
    return `${Math.round(s * 1000)} ms`;
  }
  if (s < 59.95) {
    return `${s.toFixed(1)} s`;
  }
  const whole = Math.round(s);
  const two = (n: number) => String(n).padStart(2, '0');
  if (whole < 3600) {
    return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  }
  const minutes = Math.round(s / 60);
  if (minutes < 48 * 60) {
    return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
  }
  return `${Math.floor(minutes / 1440)} d ${Math.floor((minutes % 1440) / 60)} h`;
}

/** A metric or a parameter with as many digits as a comparison needs. */
export function number(value: unknown): string {
  if (value === null || value === undefined) {
    return '–';
  }
  if (typeof value === 'boolean') {
    return value ? 'True' : 'False';
  }
  if (typeof value !== 'number') {
    return typeof value === 'string' ? value : JSON.stringify(value);
  }
  if (!Number.isFinite(value) || Number.isInteger(value)) {
    return Math.abs(value) < 1e9 ? String(value) : value.toExponential(3);
  }
  const size = Math.abs(value);
  return size >= 1e-4 && size < 1e6
    ? String(Number(value.toPrecision(4)))
    : tidy(value.toExponential(3));
}

/** The values of one column, all with as many decimals as the one that needs most. */
export function numbers(values: readonly unknown[]): string[] {
  const texts = values.map(number);
  const isFloat = values.map(v => typeof v === 'number' && Number.isFinite(v));
  const decimals = Math.max(
    0,
    ...texts.map((text, i) => (isFloat[i] ? (text.split('.')[1]?.length ?? 0) : 0))
  );
  if (decimals > 6 || texts.some((text, i) => isFloat[i] && text.includes('e'))) {
    return texts;
  }
  const whole = values.every(v => typeof v !== 'number' || Number.isInteger(v));
  return texts.map((text, i) =>
    isFloat[i] && !whole ? (values[i] as number).toFixed(decimals) : text
  );
}

function tidy(text: string): string {
  return text.replace(/\.?0+e/, 'e').replace('e+', 'e');
}

/** A tick of an axis: short, no trailing zeros. */
export function tick(value: number): string {
  const size = Math.abs(value);
  if (value !== 0 && (size < 1e-4 || size >= 1e6)) {
    return tidy(value.toExponential(2));
  }
  return String(Number(value.toPrecision(6)));
}

/** 60000 → "60,000". */
export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? '–' : Math.round(value).toLocaleString('en-US');
}

export function percent(share: number | null | undefined, digits = 0): string {
  return share === null || share === undefined || !Number.isFinite(share)
    ? '–'
    : `${(share * 100).toFixed(digits)} %`;
}

/** "14:05:09", with the date unless it is today's. */
export function moment(seconds: number | null | undefined, now = Date.now() / 1000): string {
  if (seconds === null || seconds === undefined) {
    return '–';
  }
  const there = new Date(seconds * 1000);
  const two = (n: number) => String(n).padStart(2, '0');
  const clock = `${two(there.getHours())}:${two(there.getMinutes())}:${two(there.getSeconds())}`;
  if (there.toDateString() === new Date(now * 1000).toDateString()) {
    return clock;
  }
  const day = `${there.getFullYear()}-${two(there.getMonth() + 1)}-${two(there.getDate())}`;
  return `${day} ${clock.slice(0, 5)}`;
}

/** "3 × 64 × 64". */
export function shape(sizes: readonly number[] | null | undefined): string {
  return sizes?.length ? sizes.map(n => count(n)).join(' × ') : '–';
}
