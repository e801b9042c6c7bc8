/**
 * Child processes of tests: started here, reaped here.
 *
 * Invariant: every process started through this file is dead when the process that started it
 * exits, whatever happened in between; only processes started here are ever killed.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';

const alive = new Set<ChildProcess>();

const killAll = (): void => {
  for (const child of alive) child.kill('SIGKILL');
};

process.on('exit', killAll);
// Vitest ends its workers by a signal; leaving by process.exit lets every 'exit' handler run.
for (const [signal, number] of [
  ['SIGHUP', 1],
  ['SIGINT', 2],
  ['SIGTERM', 15],
] as const) {
  process.once(signal, () => process.exit(128 + number));
}

/** Like node's spawn, but the child never outlives us. */
export const spawnReaped = (
  command: string,
  args: readonly string[],
  options: SpawnOptions,
): ChildProcess => {
  const child = spawn(command, args, options);
  alive.add(child);
  child.once('exit', () => alive.delete(child));
  child.once('error', () => alive.delete(child));
  return child;
};

export interface RunOptions {
  readonly input?: Buffer | string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Milliseconds until the child is killed and the run rejected. Default 120,000. */
  readonly timeoutMs?: number;
}

export interface RunResult {
  /** Exit code, or -1 when a signal ended the child. */
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
  /** Both streams as text, for messages and for tools that report on either. */
  readonly text: string;
}

/** Runs a command to its end. A non-zero exit is a value; only a failed start or a time-out throws. */
export const runCommand = (
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> =>
  new Promise((resolve, reject) => {
    const child = spawnReaped(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => err.push(chunk));
    child.stdin?.on('error', () => undefined); // EPIPE when the child ends before reading it all
    const timeoutMs = options.timeoutMs ?? 120_000;
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
    }, timeoutMs);
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once('close', (code) => {
      clearTimeout(timer);
      const stdout = Buffer.concat(out);
      const stderr = Buffer.concat(err).toString('utf8');
      const text = `${stdout.toString('utf8')}${stderr}`;
      const line = `${command} ${args.join(' ')}`.slice(0, 300);
      if (timedOut)
        reject(new Error(`${line}: no end after ${timeoutMs} ms\n${text.slice(-4000)}`));
      else resolve({ code: code ?? -1, stdout, stderr, text });
    });
    child.stdin?.end(options.input ?? '');
  });

/** Waits until `child` has ended; after `timeoutMs` it is killed. Resolves to its exit code. */
export const awaitExit = (child: ChildProcess, timeoutMs: number): Promise<number> =>
  new Promise((resolve) => {
    const done = (): void => resolve(child.exitCode ?? -1);
    if (child.exitCode !== null || child.signalCode !== null) {
      done();
      return;
    }
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    child.once('exit', () => {
      clearTimeout(timer);
      done();
    });
  });
