/** The ways a command ends badly; main.ts turns them into exit codes and one sentence on stderr. */

/** Exit codes of every command. */
export const ExitCode = { ok: 0, failed: 1, usage: 2 } as const;

/** Refused or failed: exit code 1. The message says what to do next. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}

/** The command line itself is wrong: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
