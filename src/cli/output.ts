/**
 * What commands print: tables for people, JSON for scripts. Text from elsewhere (names, errors of a
 * broker) never reaches the terminal with its control characters.
 */

/** Control and format characters as \u escapes: a name must not steer the operator's terminal. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => {
    return `\\u{${character.codePointAt(0)?.toString(16)}}`;
  });
}

/** Whether somebody may still read what is printed: not so behind `| head` that has seen enough. */
export const isRead = (): boolean => process.stdout.writable;

export function printLine(text: string): void {
  process.stdout.write(`${printable(text)}\n`);
}

/** `1 topic`, `2 topics`. */
export function counted(count: number | string, noun: string): string {
  return `${count} ${noun}${Number(count) === 1 ? '' : 's'}`;
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** Left-aligned columns under a header line; says so when there is nothing to show. */
export function printTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  whenEmpty: string,
): void {
  if (rows.length === 0) {
    printLine(whenEmpty);
    return;
  }
  const lines = [header, ...rows].map((row) => row.map(printable));
  const widths = header.map((_, column) =>
    Math.max(...lines.map((line) => (line[column] ?? '').length)),
  );
  for (const line of lines) {
    const cells = widths.map((width, column) => (line[column] ?? '').padEnd(width));
    process.stdout.write(`${cells.join('  ').trimEnd()}\n`);
  }
}
