import { once } from 'node:events';
import type { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { HandshakeAdmission, type HandshakeLimits } from '../../src/network/handshake-admission.ts';

const LIMITS = { handshakesMax: 8, handshakeTimeoutMs: 60_000, handshakeQueueMax: 100 };
/** No ClientHello, but all that the queue needs to know: it asks for no name. */
const SAYS = Buffer.from('no hello');

function admissionOf(limits: Partial<HandshakeLimits> = {}) {
  const started: Socket[] = [];
  const refused: string[] = [];
  const admission = new HandshakeAdmission(
    { ...LIMITS, ...limits },
    {
      start: (socket) => void started.push(socket),
      refused: (refusal, { remoteAddress }) => void refused.push(`${remoteAddress} ${refusal}`),
      laneOf: () => '',
    },
  );
  const names = new Map<Socket, string>();
  const connect = (remoteAddress: string): Socket => {
    const socket = new PassThrough() as unknown as Socket;
    socket.once('close', () => admission.closed(socket));
    names.set(socket, remoteAddress);
    admission.add(socket, { remoteAddress, remotePort: 1 });
    return socket;
  };
  return {
    admission,
    refused,
    connect,
    startedFrom: () => started.map((socket) => names.get(socket)),
    started,
    async speak(remoteAddress: string): Promise<Socket> {
      const socket = connect(remoteAddress);
      const heard = once(socket, 'readable');
      (socket as unknown as PassThrough).write(SAYS);
      await heard;
      return socket;
    },
  };
}

describe('the admission of handshakes', () => {
  it('gives the turn to who has spoken, with all that it said', async () => {
    const { connect, speak, startedFrom, started, admission } = admissionOf();
    connect('10.0.0.1');
    await speak('10.0.0.2');
    expect(startedFrom()).toEqual(['10.0.0.2']);
    expect(started[0]!.read()).toEqual(SAYS);
    expect(admission.takeFigures()).toMatchObject({ waiting: 1, started: 1, refused: 0 });
    expect(admission.finished(started[0])).toMatchObject({ remoteAddress: '10.0.0.2' });
    expect(admission.finished(started[0])).toBeNull();
    admission.stop();
  });

  it('who is alone begins at once, in the midst of a crowd', async () => {
    const { speak, startedFrom, admission } = admissionOf();
    for (let n = 0; n < 50; n++) await speak('10.0.0.1');
    const before = startedFrom().length;
    expect(before).toBeLessThan(50);
    await speak('10.9.0.1');
    expect(startedFrom().at(-1)).toBe('10.9.0.1');
    expect(startedFrom()).toHaveLength(before + 1);
    admission.stop();
  });

  it('listens to the first of an address at once, and to the rest of a crowd a little later', async () => {
    const { connect, admission } = admissionOf();
    const crowd = Array.from({ length: 60 }, () => connect('10.0.0.1'));
    const single = connect('10.9.0.1');
    const heard = (sockets: Socket[]) => sockets.filter((one) => one.listenerCount('readable') > 0);
    expect(heard(crowd)).toEqual(crowd.slice(0, 8));
    expect(heard([single])).toHaveLength(1);
    await expect.poll(() => heard(crowd).length).toBe(60);
    admission.stop();
  });

  it('everybody of a crowd gets a turn in the end', async () => {
    const { speak, started, startedFrom, admission } = admissionOf();
    for (let n = 0; n < 12; n++) await speak('10.0.0.1');
    await expect
      .poll(() => {
        for (const socket of started) {
          if (admission.finished(socket) !== null) admission.startNext();
        }
        return startedFrom().length;
      })
      .toBe(12);
    expect(admission.takeFigures().waiting).toBe(0);
  });

  it('when too many wait, the crowd makes room, whoever comes last', async () => {
    const { connect, refused, admission } = admissionOf({ handshakeQueueMax: 10 });
    const single = connect('10.9.0.1');
    const crowd = Array.from({ length: 9 }, () => connect('10.0.0.1'));
    const newcomer = connect('10.8.0.1');
    expect(refused).toEqual(['10.0.0.1 handshake-queue-full']);
    expect([single.destroyed, newcomer.destroyed]).toEqual([false, false]);
    expect(crowd.map(({ destroyed }) => destroyed).indexOf(true)).toBe(0);
    admission.stop();
  });

  it('room is made for who has less waiting, not for one of the crowd', () => {
    const { connect, refused, admission } = admissionOf();
    expect(admission.makeRoomFor('10.9.0.1')).toBe(false);
    for (let n = 0; n < 3; n++) connect('10.0.0.1');
    expect(admission.makeRoomFor('10.0.0.1')).toBe(false);
    expect(admission.makeRoomFor('10.9.0.1')).toBe(true);
    expect(refused).toEqual(['10.0.0.1 handshake-queue-full']);
    connect('10.9.0.1');
    expect(admission.makeRoomFor('10.9.0.1')).toBe(false);
    admission.stop();
  });

  it('a wait that is too long ends, spoken or not', async () => {
    const { connect, refused } = admissionOf({ handshakeTimeoutMs: 30 });
    const socket = connect('10.0.0.1');
    await once(socket, 'close');
    expect(refused).toEqual(['10.0.0.1 handshake-timeout']);
  });

  it('who left is forgotten', async () => {
    const { connect, admission } = admissionOf();
    const socket = connect('10.0.0.1');
    socket.destroy();
    await once(socket, 'close');
    expect(admission.takeFigures().waiting).toBe(0);
  });
});
