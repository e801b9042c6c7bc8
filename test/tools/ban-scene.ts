/** What tests of bans share: commands, and what a client or a silent peer gets to see. */
import { connect } from 'node:net';
import { expect, vi } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { runInProcess } from '../cli/run-cli.ts';
import type { BrokerProcess } from './broker-process.ts';
import type { WireClient } from './wire-client.ts';

/** How long a connection that is not dropped is looked at. */
const QUIET_MS = 300;

/** The commands that `run` calls in this process talk to that broker from now on. */
export const pointCommandsAt = ({ adminPort, certsDir }: BrokerProcess): void => {
  vi.stubEnv('BREAKWATER_ADMIN_URL', `https://127.0.0.1:${adminPort}`);
  vi.stubEnv('BREAKWATER_CERTS_DIR', certsDir);
};
/** A command that must succeed; what it printed. */
export const run = async (line: string): Promise<string> => {
  const { code, stdout, stderr } = await runInProcess(line.split(' '));
  expect([code, stderr], line).toEqual([0, '']);
  return stdout;
};
/** Whether the connection came about and a request on it is answered. */
export const isServed = (client: WireClient | null): Promise<boolean> =>
  client === null
    ? Promise.resolve(false)
    : client.call(ApiKey.ApiVersions, 0, {}).then(
        ({ errorCode }) => errorCode === 0,
        () => false,
      );
/** What a peer gets to see that sends nothing at all: bytes, and whether it was closed. */
export const seenBy = (
  port: number,
  localAddress: string,
): Promise<{ bytes: number; closed: boolean }> =>
  new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, localAddress });
    let bytes = 0;
    const timer = setTimeout(() => end(false), QUIET_MS);
    const end = (closed: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ bytes, closed });
    };
    socket.on('data', (chunk) => {
      bytes += chunk.length;
    });
    socket.on('error', () => {});
    socket.on('close', () => end(true));
  });
