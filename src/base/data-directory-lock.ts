/**
 * Owns the exclusive right to a data folder: one broker at a time.
 *
 * The lock is a listening Unix socket inside the folder, `.lock-<pid>-<random>.sock`. The kernel
 * stops listening when its process ends, however it ends, so a connection proves that the owner
 * lives: no process id to be reused, no start time to compare, and it holds between containers
 * that share the folder. A file that refuses connections is left over from a killed broker.
 *
 * Two brokers cannot both win: each first listens on a name of its own and only then looks at the
 * others' names, so of two that start together at least one sees the other. Both may refuse.
 */
import { closeSync, openSync, readdirSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { ConfigError } from './errors.ts';
import { systemErrorCode } from './file-system.ts';
import type { Random } from './random.ts';

export interface DataDirectoryLock {
  release(): Promise<void>;
}

const LOCK_NAME = /^\.lock-(\d+)-[0-9a-f]+\.sock$/;

/** The folder exists. Rejects with a ConfigError when another broker lives on it. */
export async function lockDataDirectory(
  directory: string,
  random: Random,
): Promise<DataDirectoryLock> {
  const own = `.lock-${process.pid}-${random.bytes(6).toString('hex')}.sock`;
  // A socket path may have about 100 bytes only: on Linux it leads through the folder's descriptor.
  const descriptor = openSync(directory, 'r');
  const socketPath = (name: string): string =>
    process.platform === 'linux' ? `/proc/self/fd/${descriptor}/${name}` : join(directory, name);
  try {
    const server = await listenOn(socketPath(own), directory);
    const ownerPid = await firstLivingOwner(directory, own, socketPath);
    if (ownerPid === undefined) return { release: () => stop(server, descriptor) };
    await closeServer(server);
    throw new ConfigError(
      `Another broker (process ${ownerPid}) is running on ${directory}: ` +
        'stop it, or give this one a data folder of its own.',
    );
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

async function firstLivingOwner(
  directory: string,
  own: string,
  socketPath: (name: string) => string,
): Promise<string | undefined> {
  for (const name of readdirSync(directory)) {
    const match = LOCK_NAME.exec(name);
    if (match === null || name === own) continue;
    if (await isListening(socketPath(name))) return match[1];
    removeIfPresent(join(directory, name));
  }
  return undefined;
}

function removeIfPresent(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
  }
}

function listenOn(path: string, directory: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (cause) => {
      const message = `Cannot make the lock of the data folder ${directory}: ${cause.message}`;
      reject(new ConfigError(message, { cause }));
    });
    server.listen(path, () => resolve(server.unref()));
  });
}

/** Only a refused connection or a vanished file proves that nobody is there. */
function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error) => {
      const code = systemErrorCode(error);
      resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT');
    });
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

/** Closing the server removes its file, whose path needs the descriptor. */
async function stop(server: Server, descriptor: number): Promise<void> {
  await closeServer(server);
  closeSync(descriptor);
}
