/**
 * Runs commands and keeps what they said: as a person would, through the built bin, or, where a
 * process a call would take too long, in this process.
 */
import { join } from 'node:path';
import { vi } from 'vitest';
import { run } from '../../src/main.ts';
import { runCommand } from '../tools/child-process.ts';
import { projectRoot } from '../tools/project-root.ts';

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export const BIN = join(projectRoot, 'bin', 'breakwater.js');

export async function runCli(
  args: readonly string[],
  options: { env?: Readonly<Record<string, string>>; cwd?: string } = {},
): Promise<CliResult> {
  const { code, stdout, stderr } = await runCommand(process.execPath, [BIN, ...args], {
    timeoutMs: 30_000,
    ...options,
  });
  return { code, stdout: stdout.toString('utf8'), stderr };
}

/** One command at a time: it writes to this process's own streams. */
export async function runInProcess(args: readonly string[]): Promise<CliResult> {
  const said = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((stream) =>
    vi.spyOn(process[stream], 'write').mockImplementation((chunk) => {
      said[stream] += String(chunk);
      return true;
    }),
  );
  try {
    return { code: await run(args), ...said };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}
