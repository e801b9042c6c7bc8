/** Turns the figures of all rounds into a table with ratios, and into the closing JSON line. */
import type { ContenderName } from './contender.ts';
import type { Figures } from './measures.ts';

/** One round of one contender. */
export interface Round {
  readonly contender: ContenderName;
  readonly figures: Figures;
}

/** Whether less is better for a figure. */
const lessIsBetter = (name: string): boolean => /_ms|_us|cpu|memory/.test(name);

/** Best of the rounds: on a shared machine the disturbances only ever make a figure worse. */
const best = (rounds: readonly Round[], contender: ContenderName, name: string): number | null => {
  const values = rounds
    .filter((round) => round.contender === contender)
    .map((round) => round.figures[name])
    .filter((value): value is number => typeof value === 'number');
  if (values.length === 0) return null;
  return lessIsBetter(name) ? Math.min(...values) : Math.max(...values);
};

export interface Comparison {
  readonly breakwater: number | null;
  readonly kafka: number | null;
  /** Breakwater's figure over Kafka's. */
  readonly ratio: number | null;
}

const rounded = (value: number): number =>
  value >= 100 ? Math.round(value) : Number(value.toPrecision(3));

const compare = (rounds: readonly Round[], name: string): Comparison => {
  const breakwater = best(rounds, 'breakwater', name);
  const kafka = best(rounds, 'kafka', name);
  const known = breakwater !== null && kafka !== null && kafka !== 0;
  return {
    breakwater: breakwater === null ? null : rounded(breakwater),
    kafka: kafka === null ? null : rounded(kafka),
    ratio: known ? Number((breakwater / kafka).toPrecision(3)) : null,
  };
};

/** Figure -> both contenders' best and the ratio, in the order of the measurements. */
export const compareAll = (rounds: readonly Round[]): Record<string, Comparison> => {
  const names = [...new Set(rounds.flatMap((round) => Object.keys(round.figures)))];
  return Object.fromEntries(names.map((name) => [name, compare(rounds, name)]));
};

/** The table for a person. `better` marks where Breakwater is ahead. */
export const tableOf = (comparisons: Readonly<Record<string, Comparison>>): string => {
  const cell = (value: number | null): string => (value === null ? '-' : String(value));
  const rows = Object.entries(comparisons).map(([name, { breakwater, kafka, ratio }]) => {
    const ahead = ratio !== null && (lessIsBetter(name) ? ratio < 1 : ratio > 1);
    return [name, cell(breakwater), cell(kafka), cell(ratio), ahead ? 'better' : ''];
  });
  const header = ['figure', 'Breakwater', 'Kafka', 'ratio', ''];
  const widths = header.map((_, column) =>
    Math.max(...[header, ...rows].map((row) => row[column]?.length ?? 0)),
  );
  return [header, ...rows]
    .map((row) =>
      row
        .map((text, column) =>
          column === 0 ? text.padEnd(widths[0] ?? 0) : text.padStart(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
};
