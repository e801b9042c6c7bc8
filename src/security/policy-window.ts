/**
 * Owns the times at which a rule holds: `Mon-Fri/08:00-18:00`, with a time zone of the IANA data base
 * as a third part (`Mon-Fri/08:00-18:00/Europe/Berlin`); without it UTC. `*` is always. Pure.
 *
 * Invariants: from is inside, to is outside; a window that ends before it begins (`22:00-06:00`)
 * reaches into the next day and belongs to the day on which it begins. `windowHoldsUntil` is never
 * later than the next edge, daylight saving time included.
 */

export const ALWAYS = '*';

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const DAY_MINUTES = 24 * 60;
const MINUTE_MS = 60_000;
/**
 * Zones change their offset at a quarter of an hour of UTC and by whole quarters: until the next one,
 * the time of day of a zone goes forward evenly.
 */
const QUARTER_MS = 15 * MINUTE_MS;
const GRAMMAR =
  /^([A-Za-z+-]{3,64})\/(\d\d):(\d\d)-(\d\d):(\d\d)(?:\/([A-Za-z][A-Za-z0-9/_+-]{0,63}))?$/;

/** The minute of the local day and the local day of the week (0 is Sunday). */
interface LocalTime {
  readonly day: number;
  readonly minute: number;
}

interface Window {
  /** Bit n: the window begins on day n. */
  readonly days: number;
  readonly fromMinute: number;
  readonly toMinute: number;
  /** Null: UTC. */
  readonly zone: Intl.DateTimeFormat | null;
  /** What was found last, and from when to when it holds. */
  open: boolean;
  sinceMs: number;
  untilMs: number;
}

function parseDays(text: string): number | string {
  if (text === 'daily') return 0x7f;
  let days = 0;
  for (const part of text.split('+')) {
    const [first = '', last = first, ...rest] = part.split('-');
    const [from, to] = [DAYS.indexOf(first), DAYS.indexOf(last)];
    if (from < 0 || to < 0 || rest.length > 0) return `"${part}" is no day, as Mon or Mon-Fri`;
    for (let day = from; ; day = (day + 1) % 7) {
      days |= 1 << day;
      if (day === to) break;
    }
  }
  return days;
}

const zones = new Map<string, Intl.DateTimeFormat | null>();

function zoneOf(name: string): Intl.DateTimeFormat | null {
  const known = zones.get(name);
  if (known !== undefined) return known;
  let zone: Intl.DateTimeFormat | null = null;
  try {
    zone = new Intl.DateTimeFormat('en-US', {
      timeZone: name,
      hourCycle: 'h23',
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
    });
  } catch {
    // No such zone: the caller says so.
  }
  // Names of zones are few, others are free to choose.
  if (zone !== null) zones.set(name, zone);
  return zone;
}

function parseWindow(text: string): Window | string {
  const match = GRAMMAR.exec(text);
  if (match === null) {
    return 'write days/from-to or days/from-to/zone, as Mon-Fri/08:00-18:00/Europe/Berlin, or *';
  }
  const days = parseDays(match[1]!);
  if (typeof days === 'string') return days;
  const [fromHour, from, toHour, to] = match.slice(2, 6).map(Number) as [
    number,
    number,
    number,
    number,
  ];
  const [fromMinute, toMinute] = [fromHour * 60 + from, toHour * 60 + to];
  if (from > 59 || to > 59 || fromMinute >= DAY_MINUTES || toMinute > DAY_MINUTES) {
    return 'a time of day is 00:00 to 23:59, and 24:00 as the end';
  }
  if (fromMinute === toMinute) return 'it begins when it ends: a whole day is 00:00-24:00';
  const name = match[6] ?? 'UTC';
  const zone = name === 'UTC' ? null : zoneOf(name);
  if (zone === null && name !== 'UTC') return `"${name}" is no time zone that is known here`;
  return { days, fromMinute, toMinute, zone, open: false, sinceMs: 0, untilMs: 0 };
}

const windows = new Map<string, Window>();
const REMEMBERED_MAX = 65_536;

function windowOf(text: string): Window | string {
  const known = windows.get(text);
  if (known !== undefined) return known;
  const parsed = parseWindow(text);
  if (typeof parsed === 'string') return parsed;
  if (windows.size >= REMEMBERED_MAX) windows.clear();
  windows.set(text, parsed);
  return parsed;
}

/** What is wrong with the window of a rule, or null. */
export function windowProblem(text: string): string | null {
  if (text === ALWAYS) return null;
  const window = windowOf(text);
  return typeof window === 'string' ? `time window "${text}": ${window}` : null;
}

function localTime(zone: Intl.DateTimeFormat | null, timeMs: number): LocalTime {
  if (zone === null) {
    const minutes = Math.floor(timeMs / MINUTE_MS);
    const days = Math.floor(minutes / DAY_MINUTES);
    // 1 January 1970 was a Thursday.
    return { day: (((days + 4) % 7) + 7) % 7, minute: minutes - days * DAY_MINUTES };
  }
  const parts = new Map(zone.formatToParts(timeMs).map(({ type, value }) => [type, value]));
  const minute = Number(parts.get('hour')) * 60 + Number(parts.get('minute'));
  return { day: DAYS.indexOf(parts.get('weekday') ?? ''), minute };
}

const begins = ({ days }: Window, day: number): boolean => (days & (1 << day)) !== 0;

function isOpen(window: Window, { day, minute }: LocalTime): boolean {
  const { fromMinute, toMinute } = window;
  if (fromMinute < toMinute)
    return begins(window, day) && minute >= fromMinute && minute < toMinute;
  if (minute >= fromMinute) return begins(window, day);
  return minute < toMinute && begins(window, (day + 6) % 7);
}

/** Brings what is remembered of the window to the time. */
function bringTo(window: Window, timeMs: number): void {
  const local = localTime(window.zone, timeMs);
  const minuteMs = Math.floor(timeMs / MINUTE_MS) * MINUTE_MS;
  let edge = DAY_MINUTES;
  for (const minute of [window.fromMinute, window.toMinute]) {
    if (minute > local.minute && minute < edge) edge = minute;
  }
  let untilMs = minuteMs + (edge - local.minute) * MINUTE_MS;
  if (window.zone !== null) {
    untilMs = Math.min(untilMs, (Math.floor(timeMs / QUARTER_MS) + 1) * QUARTER_MS);
  }
  window.open = isOpen(window, local);
  window.sinceMs = minuteMs;
  window.untilMs = untilMs;
}

function windowAt(text: string, timeMs: number): Window | null {
  const window = windowOf(text);
  if (typeof window === 'string') return null;
  if (timeMs < window.sinceMs || timeMs >= window.untilMs) bringTo(window, timeMs);
  return window;
}

/** Does a rule with this window hold at the time? Throws for a window that is not in order. */
export function inWindow(text: string, timeMs: number): boolean {
  if (text === ALWAYS) return true;
  const window = windowAt(text, timeMs);
  if (window === null) throw new Error(`the time window "${text}" is not in order`);
  return window.open;
}

/** Until when `inWindow` gives the same answer at least, in milliseconds since the epoch. */
export function windowHoldsUntil(text: string, timeMs: number): number {
  if (text === ALWAYS) return Number.POSITIVE_INFINITY;
  return windowAt(text, timeMs)?.untilMs ?? timeMs;
}
