/**
 * Breakwater as a process of its own: `node bin/breakwater.js serve --dev` on free ports, with its
 * data and certificates in temporary directories.
 *
 * Invariant: the process is dead and its directories are gone once `stop` or `dispose` has
 * returned, and at the latest when the test process ends. Only the ready line means ready.
 */
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { awaitExit, spawnReaped } from './child-process.ts';
import { freePort } from './free-port.ts';
import { projectRoot } from './project-root.ts';
import { removeDirectory, temporaryDirectory } from './temporary-directory.ts';

export interface BrokerOptions {
  /** Kept across restarts by the caller; by default a new directory that `dispose` removes. */
  readonly dataDir?: string;
  readonly certsDir?: string;
  /** Ports to use again after a restart; by default free ones. */
  readonly port?: number;
  readonly adminPort?: number;
  /** More BREAKWATER_* variables. */
  readonly env?: Readonly<Record<string, string>>;
  /** More arguments after `serve --dev`. */
  readonly args?: readonly string[];
  /** A command that the broker runs under, such as ['strace', '-f', ...]. */
  readonly under?: readonly string[];
  /** Milliseconds until the ready line; default 20,000. */
  readonly readyTimeoutMs?: number;
}

export interface BrokerProcess {
  readonly port: number;
  readonly adminPort: number;
  /** Of the SASL_SSL listener. */
  readonly saslPort: number;
  readonly bootstrap: string;
  readonly certsDir: string;
  readonly dataDir: string;
  /** Process id of what was started: of the command in `under`, where there is one. */
  readonly pid: number;
  readonly readyLine: string;
  /** Milliseconds from the spawn to the ready line. */
  readonly readyAfterMs: number;
  stdout(): string;
  stderr(): string;
  /** SIGTERM, then the exit code. Directories stay. */
  stop(): Promise<number>;
  /** SIGKILL and the wait for the end. Directories stay. */
  kill9(): Promise<void>;
  /** Stops it if it runs, and removes the directories that it made for itself. */
  dispose(): Promise<void>;
}

/** Keeps the last 200,000 characters of a stream. */
const tailOf = (stream: NodeJS.ReadableStream | null): (() => string) => {
  let text = '';
  stream?.on('data', (chunk: Buffer) => {
    text = (text + chunk.toString('utf8')).slice(-200_000);
  });
  return () => text;
};

const awaitReadyLine = (
  child: ChildProcess,
  stdout: () => string,
  stderr: () => string,
  timeoutMs: number,
): Promise<string> =>
  new Promise((resolve, reject) => {
    const fail = (what: string): void =>
      reject(
        new Error(`breakwater serve ${what}\n${stdout().slice(-2000)}${stderr().slice(-4000)}`),
      );
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      fail(`printed no ready line in ${timeoutMs} ms`);
    }, timeoutMs);
    const look = (): void => {
      const line = stdout()
        .split('\n')
        .slice(0, -1) // the last piece is an unfinished line
        .find((candidate) => candidate.startsWith('ready'));
      if (line === undefined) return;
      clearTimeout(timer);
      child.stdout?.off('data', look);
      resolve(line);
    };
    child.stdout?.on('data', look);
    child.once('error', (error) => {
      clearTimeout(timer);
      fail(`did not start: ${error.message}`);
    });
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      fail(`ended with ${code ?? signal} before it was ready`);
    });
  });

/** Starts Breakwater and resolves once it is ready. */
export const startBroker = async (options: BrokerOptions = {}): Promise<BrokerProcess> => {
  const own: string[] = [];
  const directory = (given: string | undefined, purpose: string): string => {
    if (given !== undefined) return given;
    const made = temporaryDirectory(purpose);
    own.push(made);
    return made;
  };
  const dataDir = directory(options.dataDir, 'data');
  const certsDir = directory(options.certsDir, 'certs');
  const port = options.port ?? (await freePort());
  const adminPort = options.adminPort ?? (await freePort());
  const saslPort = await freePort();
  const command = [process.execPath, join(projectRoot, 'bin', 'breakwater.js'), 'serve', '--dev'];
  const [program = '', ...args] = [...(options.under ?? []), ...command, ...(options.args ?? [])];
  const begun = performance.now();
  const child = spawnReaped(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      BREAKWATER_DATA_DIR: dataDir,
      BREAKWATER_CERTS_DIR: certsDir,
      BREAKWATER_PORT: String(port),
      BREAKWATER_ADMIN_PORT: String(adminPort),
      BREAKWATER_SASL_PORT: String(saslPort),
      ...options.env,
    },
  });
  const stdout = tailOf(child.stdout);
  const stderr = tailOf(child.stderr);
  const timeoutMs = options.readyTimeoutMs ?? 20_000;
  const readyLine = await awaitReadyLine(child, stdout, stderr, timeoutMs);
  const readyAfterMs = performance.now() - begun;
  const end = async (signal: NodeJS.Signals): Promise<number> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    return awaitExit(child, 15_000);
  };
  return {
    port,
    adminPort,
    saslPort,
    bootstrap: `127.0.0.1:${port}`,
    certsDir,
    dataDir,
    pid: child.pid ?? -1,
    readyLine,
    readyAfterMs,
    stdout,
    stderr,
    stop: () => end('SIGTERM'),
    kill9: async () => {
      await end('SIGKILL');
    },
    dispose: async () => {
      await end('SIGTERM');
      for (const made of own) removeDirectory(made);
    },
  };
};
