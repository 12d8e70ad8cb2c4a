/** How sizes, durations, numbers and times are written; as lepton_jlab/runs/words.py writes them. */

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

/** 75 → "1 min 15 s", 60 → "1 min": the two units that matter. */
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
  if (whole < 3600) {
    return two(Math.floor(whole / 60), 'min', whole % 60, 's');
  }
  const minutes = Math.round(s / 60);
  return minutes < 48 * 60
    ? two(Math.floor(minutes / 60), 'h', minutes % 60, 'min')
    : two(Math.floor(minutes / 1440), 'd', Math.floor((minutes % 1440) / 60), 'h');
}

function two(amount: number, unit: string, rest: number, lesser: string): string {
  const padded = lesser === 'h' ? String(rest) : digits(rest);
  return rest ? `${amount} ${unit} ${padded} ${lesser}` : `${amount} ${unit}`;
}

function digits(n: number): string {
  return String(n).padStart(2, '0');
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

/** 0.341 → "34 %". */
export function percent(share: number | null | undefined, decimals = 0): string {
  return share === null || share === undefined || !Number.isFinite(share)
    ? '–'
    : `${(share * 100).toFixed(decimals)} %`;
}

/** "14:05:09", with the date unless it is today's. */
export function moment(seconds: number | null | undefined, now = Date.now() / 1000): string {
  if (seconds === null || seconds === undefined) {
    return '–';
  }
  const there = new Date(seconds * 1000);
  const time = [there.getHours(), there.getMinutes(), there.getSeconds()].map(digits).join(':');
  if (there.toDateString() === new Date(now * 1000).toDateString()) {
    return time;
  }
  const day = `${there.getFullYear()}-${digits(there.getMonth() + 1)}-${digits(there.getDate())}`;
  return `${day} ${time.slice(0, 5)}`;
}

/** "3 × 64 × 64". */
export function shape(sizes: readonly number[] | null | undefined): string {
  return sizes?.length ? sizes.map(n => count(n)).join(' × ') : '–';
}

/** `1.2 MB/s`. */
export function rate(perSecond: number | null | undefined): string {
  return `${bytes(perSecond)}/s`;
}

/** `1 MB/s`, where two rates share a line. */
export function roughRate(perSecond: number | null | undefined): string {
  return rate(perSecond).replace(/[.]\d+/, '');
}

/** A metric in a column: as many decimals as its neighbours. */
export function metric(value: number | null | undefined): string {
  if (value === null || value === undefined || !isFinite(value)) {
    return '–';
  }
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e5)
    ? number(value)
    : value.toFixed(size < 10 ? 4 : size < 1000 ? 2 : 0);
}

/** How long, as a clock that does not jump in width: `0:42`, `1:02:03`. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [
    Math.floor(whole / 3600),
    Math.floor(whole / 60) % 60,
    whole % 60
  ];
  return hours ? `${hours}:${digits(minutes)}:${digits(rest)}` : `${minutes}:${digits(rest)}`;
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
    .map(([name, value]) => `${name}=${number(value)}`)
    .join(' ');
}

/** 34.1 → "34 %", of what is measured in percent. */
export function points(value: number | null | undefined): string {
  return percent(value === null || value === undefined ? value : value / 100);
}

/** 0.0023 Wh → "2.30 mWh". */
export function energy(wh: number): string {
  for (const [unit, size] of [
    ['kWh', 1e3],
    ['Wh', 1],
    ['mWh', 1e-3]
  ] as const) {
    if (wh >= size * 0.9995) {
      const amount = wh / size;
      return `${amount >= 99.95 ? amount.toFixed(0) : Number(amount.toPrecision(3))} ${unit}`;
    }
  }
  return wh ? `${Number((wh * 1e3).toPrecision(3))} mWh` : '0 Wh';
}

/** 12.345 → "12.35 USD"; of little, two digits. */
export function money(amount: number, currency: string): string {
  const size = Math.abs(amount);
  const text =
    size === 0
      ? '0'
      : size >= 0.1
        ? amount.toFixed(2)
        : size >= 1e-4
          ? String(Number(amount.toPrecision(2)))
          : '<0.0001';
  return `${text} ${currency}`;
}
