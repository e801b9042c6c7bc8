/**
 * From argv to a command, and from its end to an exit code: 0 ok, 1 refused or failed, 2 usage.
 * Errors are sentences on stderr, never a stack trace.
 */
import { CommanderError } from 'commander';
import { ExitCode, UsageError } from './cli/command-error.ts';
import { errorText } from './cli/error-text.ts';
import { printable } from './cli/output.ts';
import { createProgram } from './cli/program.ts';

/** Runs the command of process.argv; leaves its exit code in process.exitCode. */
export async function runFromCommandLine(): Promise<void> {
  // Whoever read our output may be gone (`| head`): that ends neither a command nor the broker.
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});
  process.exitCode = await run(process.argv.slice(2));
}

/** Runs one command; its exit code. Writes to process.stdout and process.stderr. */
export async function run(args: readonly string[]): Promise<number> {
  try {
    const program = await createProgram(args);
    await program.parseAsync(args, { from: 'user' });
    return ExitCode.ok;
  } catch (error) {
    return report(error);
  }
}

function report(error: unknown): number {
  if (error instanceof CommanderError) {
    // Commander has printed its sentence already; help and version end with 0, help for want of a
    // command is a usage error.
    return error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
  }
  for (const line of errorText(error).split('\n'))
    process.stderr.write(`breakwater: ${printable(line)}\n`);
  return error instanceof UsageError ? ExitCode.usage : ExitCode.failed;
}
