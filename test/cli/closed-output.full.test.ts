/** Who reads what a command prints may go away (`| head`): the command ends then, with code 0. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { fileName, lineOf, madeRecord, numbers } from '../audit/query-fixture.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { BIN } from './run-cli.ts';

const directory = temporaryDirectory('closed-output');
// More than a pipe holds, so that the command is still writing when nobody reads.
const below = numbers(1);
const lines = Array.from({ length: 4_000 }, (_, index) =>
  lineOf(madeRecord('security', index + 1, below)),
);
writeFileSync(join(directory, fileName('security', 1)), lines.join(''));
afterAll(() => removeDirectory(directory));

describeRequiring(['built-broker'], 'output that nobody reads', () => {
  it.each([
    ['export', '--format', 'ndjson'],
    ['query', '--limit', '0', '--json'],
    ['tail', '--since', '2000-01-01T00:00:00Z'],
  ])('ends audit %s', { timeout: 30_000 }, async (...args) => {
    const child = spawn(process.execPath, [BIN, 'audit', ...args, '--dir', directory], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = once(child, 'exit');
    await once(child.stdout, 'data');
    child.stdout.destroy();
    const said: string[] = [];
    child.stderr.on('data', (chunk: Buffer) => said.push(chunk.toString('utf8')));
    expect(await ended).toEqual([0, null]);
    expect(said.join('')).toBe('');
  });
});
