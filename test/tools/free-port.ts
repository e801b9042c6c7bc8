/** Free TCP ports on loopback, asked of the operating system; each answer of one process differs. */
import { createServer } from 'node:net';

const given = new Set<number>();

const probe = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = address !== null && typeof address === 'object' ? address.port : 0;
      server.close(() => resolve(port));
    });
  });

/** A port nobody listens on now and that this process has not given out before. */
export const freePort = async (): Promise<number> => {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const port = await probe();
    if (given.has(port)) continue;
    given.add(port);
    return port;
  }
  throw new Error('no free port found in 100 attempts');
};
