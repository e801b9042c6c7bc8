/**
 * Real policy decision points as processes of their own: Cerbos over AuthZEN, and Open Policy Agent
 * over its data API with mutual TLS. Both are fetched by scripts/fetch-client-tools.mjs.
 */
import type { ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { awaitExit, spawnReaped } from './child-process.ts';
import { freePort } from './free-port.ts';
import { projectRoot } from './project-root.ts';
import { temporaryDirectory } from './temporary-directory.ts';

export interface RealPdp {
  readonly url: string;
  readonly port: number;
  /** Starts it (again) on the same port and resolves once it takes connections. */
  start(): Promise<void>;
  /** SIGKILL, and the wait for the end. */
  kill9(): Promise<void>;
  /** Makes it stand still with its connections open, and go on. */
  freeze(): Promise<void>;
  thaw(): void;
}

const READY_TIMEOUT_MS = 20_000;
const POLL_MS = 20;

const takesConnections = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });

function processOf(url: string, port: number, command: readonly [string, ...string[]]): RealPdp {
  let child: ChildProcess | null = null;
  const [program, ...args] = command;
  return {
    url,
    port,
    async start() {
      const env = { ...process.env, CERBOS_NO_TELEMETRY: '1' };
      let said = '';
      child = spawnReaped(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
      for (const stream of [child.stdout, child.stderr]) {
        stream?.on('data', (chunk: Buffer) => {
          said = (said + chunk.toString('utf8')).slice(-4000);
        });
      }
      const deadlineMs = Date.now() + READY_TIMEOUT_MS;
      while (!(await takesConnections(port))) {
        const hasEnded = child.exitCode !== null || child.signalCode !== null;
        if (hasEnded || Date.now() > deadlineMs) throw new Error(`${program}: ${said}`);
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
    },
    async kill9() {
      child?.kill('SIGKILL');
      if (child !== null) await awaitExit(child, 5000);
    },
    async freeze() {
      child?.kill('SIGSTOP');
      const isStopped = (): boolean =>
        /^State:\s+T/m.test(readFileSync(`/proc/${child?.pid}/status`, 'utf8'));
      while (!isStopped()) await new Promise((resolve) => setTimeout(resolve, 1));
    },
    thaw: () => void child?.kill('SIGCONT'),
  };
}

const policies = (folder: string): string => join(projectRoot, 'test', 'interop', 'pdp', folder);

export async function cerbos(): Promise<RealPdp> {
  const port = await freePort();
  const config = join(temporaryDirectory('cerbos'), 'config.json');
  const server = {
    httpListenAddr: `127.0.0.1:${port}`,
    grpcListenAddr: `127.0.0.1:${await freePort()}`,
  };
  const disk = { directory: policies('cerbos-policies'), watchForChanges: false };
  writeFileSync(config, JSON.stringify({ server, storage: { driver: 'disk', disk } }));
  const folder = join(projectRoot, '.cache', 'cerbos', 'node_modules', '@cerbos');
  const program = join(folder, 'cerbos-linux-x64', 'cerbos-linux-x64');
  return processOf(`http://127.0.0.1:${port}`, port, [program, 'server', `--config=${config}`]);
}

/** Who does not show a certificate of `clientCa` is not answered. */
export async function opa(tls: {
  readonly certificate: string;
  readonly key: string;
  readonly clientCa: string;
}): Promise<RealPdp> {
  const port = await freePort();
  const program = join(projectRoot, '.cache', 'opa', 'opa');
  return processOf(`https://localhost:${port}`, port, [
    program,
    'run',
    '--server',
    `--addr=127.0.0.1:${port}`,
    '--log-level=error',
    '--disable-telemetry',
    '--authentication=tls',
    `--tls-cert-file=${tls.certificate}`,
    `--tls-private-key-file=${tls.key}`,
    `--tls-ca-cert-file=${tls.clientCa}`,
    policies('opa-policies'),
  ]);
}
