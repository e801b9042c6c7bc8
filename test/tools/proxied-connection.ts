/** A TLS client behind a PROXY header, sent by us from an address of loopback as a proxy would. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';

export interface ProxiedInit {
  readonly port: number;
  readonly localAddress: string;
  readonly header: Buffer;
  /** How the header reaches the broker; by default in a packet of its own. */
  readonly pieces?: 'alone' | 'bytes' | 'with-tls';
}

/** For `tls.connect({ socket })`: the header goes out before what TLS writes. */
export async function proxiedSocket(init: ProxiedInit): Promise<Duplex> {
  const { port, localAddress, header, pieces = 'alone' } = init;
  const raw = connect({ host: '127.0.0.1', port, localAddress, noDelay: true });
  raw.on('error', () => {});
  await once(raw, 'connect');
  if (pieces === 'alone') raw.write(header);
  if (pieces === 'bytes') {
    for (const byte of header) {
      raw.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  return over(raw, pieces === 'with-tls' ? header : null);
}

function over(raw: Socket, first: Buffer | null): Duplex {
  let before = first;
  const duplex = new Duplex({
    read: () => raw.resume(),
    write: (chunk: Buffer, _encoding, done) => {
      raw.write(before === null ? chunk : Buffer.concat([before, chunk]), () => done());
      before = null;
    },
    final: (done) => raw.end(done),
    destroy: (error, done) => {
      raw.destroy();
      done(error);
    },
  });
  raw.on('data', (chunk) => {
    if (!duplex.push(chunk)) raw.pause();
  });
  raw.on('close', () => duplex.destroy(new Error('the broker closed the connection')));
  return duplex;
}
