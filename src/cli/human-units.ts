/**
 * Numbers as people write them: `1MiB`, `1.5GiB/s`, `500k`, `2M`, `50%`. Binary units are powers of
 * 1024, decimal ones of 1000, and upper and lower case are not the same thing. `none` removes.
 */
const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
  '%': 1,
};
const NUMBER = /^([0-9]{1,15}(?:\.[0-9]{1,6})?)\s?([A-Za-z%]*)(?:\/s)?$/;

/** Null for `none` and `remove`; undefined for what is no number. */
export function parseAmount(text: string): number | null | undefined {
  if (text === 'none' || text === 'remove') return null;
  const match = NUMBER.exec(text);
  const unit = match?.[2] ?? '';
  const factor = Object.hasOwn(UNITS, unit) ? UNITS[unit] : undefined;
  if (match === null || factor === undefined) return undefined;
  const amount = Number(match[1]) * factor;
  // 1.1MiB is no whole number of bytes: the nearest is meant.
  return factor >= 1e3 ? Math.round(amount) : amount;
}

/** Bytes where the name says so, and a second where it is a rate. */
export function formatAmount(name: string, amount: number): string {
  const isRate = name.endsWith('_rate');
  const end = isRate ? '/s' : '';
  if (name.endsWith('_percentage')) return `${rounded(amount)}%`;
  if (!name.includes('byte')) return `${rounded(amount)}${end}`;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = amount;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${rounded(value)}${units[unit]}${end}`;
}

const rounded = (value: number): string => String(Math.round(value * 100) / 100);
