import { Duplex } from 'node:stream';
import { describe, expect, it } from 'vitest';
import {
  type Answer,
  type CloseReason,
  Connection,
  type RequestHandler,
} from '../../src/network/connection.ts';
import { TenantShares } from '../../src/network/tenant-shares.ts';

const PRODUCE = 0;
const FETCH = 1;

/** A peer in memory: what the connection writes is collected, one entry a write. */
class FakeSocket extends Duplex {
  readonly writes: Buffer[] = [];
  /** Set: writes stay untaken, as with a peer that does not read. */
  stalled: (() => void) | null = null;
  isStalling = false;

  override _read(): void {}

  override _writev(
    chunks: { chunk: Buffer; encoding: BufferEncoding }[],
    callback: (error?: Error | null) => void,
  ): void {
    this.writes.push(Buffer.concat(chunks.map(({ chunk }) => chunk)));
    if (this.isStalling) this.stalled = () => callback();
    else callback();
  }
}

function request(apiKey: number, id: number, bytes = 12): Buffer {
  const buffer = Buffer.alloc(4 + bytes);
  buffer.writeInt32BE(bytes, 0);
  buffer.writeInt16BE(apiKey, 4);
  buffer.writeInt32BE(id, 8);
  return buffer;
}

/** A handler whose answers the test gives, and that tells which requests were begun. */
function manualHandler() {
  const begun: number[] = [];
  const finish = new Map<number, (answer: Answer) => void>();
  const ordered = new Map<number, () => void>();
  const handle: RequestHandler = (frame, hasPlace) => {
    const id = frame.readInt32BE(4);
    begun.push(id);
    ordered.set(id, hasPlace);
    return new Promise((resolve) => finish.set(id, resolve));
  };
  return { begun, finish, ordered, handle };
}

const answerOf = (id: number): Answer => ({ frame: [Buffer.of(id)], muteMs: 0 });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function connect(
  handle: RequestHandler,
  overrides: { maxUnsentBytes?: number; nowMs?: () => number } = {},
) {
  const socket = new FakeSocket();
  const closes: [CloseReason, string | null][] = [];
  const faults: unknown[] = [];
  const nowMs = overrides.nowMs ?? (() => 0);
  const shares = new TenantShares({ receiveBytesMax: 1 << 20, unsentBytesMax: 1 << 30, nowMs });
  const connection = new Connection(
    socket,
    handle,
    {
      frameLimit: () => 1 << 16,
      maxBegun: 5,
      maxUnsentBytes: overrides.maxUnsentBytes ?? 1 << 20,
      shares: shares.join('acme'),
    },
    {
      onClose: (reason, detail) => closes.push([reason, detail]),
      onInternalError: (error) => faults.push(error),
      nowMs,
    },
  );
  const receive = async (...frames: Buffer[]): Promise<void> => {
    socket.push(Buffer.concat(frames));
    await turn();
  };
  return { socket, closes, faults, connection, receive, shares };
}

describe('Connection', () => {
  it('lets a Produce overlap a Produce once the first has its place, and answers in order', async () => {
    const manual = manualHandler();
    const { socket, receive } = connect(manual.handle);
    await receive(request(PRODUCE, 1), request(PRODUCE, 2));
    expect(manual.begun).toEqual([1]);
    manual.ordered.get(1)!();
    await turn();
    expect(manual.begun).toEqual([1, 2]);
    manual.finish.get(2)!(answerOf(2));
    await turn();
    expect(socket.writes).toEqual([]);
    manual.finish.get(1)!(answerOf(1));
    await turn();
    expect(Buffer.concat(socket.writes)).toEqual(Buffer.of(1, 2));
  });

  it('coalesces what completes in one turn into one write', async () => {
    const manual = manualHandler();
    const { socket, receive } = connect(manual.handle);
    await receive(request(PRODUCE, 1), request(PRODUCE, 2));
    manual.ordered.get(1)!();
    await turn();
    manual.finish.get(1)!(answerOf(1));
    manual.finish.get(2)!(answerOf(2));
    await turn();
    expect(socket.writes).toEqual([Buffer.of(1, 2)]);
  });

  it('treats every other API as a barrier', async () => {
    const manual = manualHandler();
    const { receive } = connect(manual.handle);
    await receive(request(PRODUCE, 1), request(FETCH, 2), request(PRODUCE, 3));
    manual.ordered.get(1)!();
    await turn();
    expect(manual.begun).toEqual([1]);
    manual.finish.get(1)!(answerOf(1));
    await turn();
    expect(manual.begun).toEqual([1, 2]);
    manual.finish.get(2)!(answerOf(2));
    await turn();
    expect(manual.begun).toEqual([1, 2, 3]);
  });

  it('begins at most five requests at a time', async () => {
    const manual = manualHandler();
    const { receive } = connect((frame, ordered) => {
      ordered();
      return manual.handle(frame, ordered);
    });
    await receive(...[1, 2, 3, 4, 5, 6, 7].map((id) => request(PRODUCE, id)));
    expect(manual.begun).toEqual([1, 2, 3, 4, 5]);
  });

  it('sends nothing for acks=0, and closes after the earlier answers where a request says so', async () => {
    const answers: Record<number, Answer> = {
      1: answerOf(1),
      2: { frame: null, muteMs: 0 },
      3: 'close',
    };
    const { socket, closes, receive } = connect((frame) => answers[frame.readInt32BE(4)]!);
    await receive(request(PRODUCE, 1), request(PRODUCE, 2), request(PRODUCE, 3));
    await turn();
    expect(Buffer.concat(socket.writes)).toEqual(Buffer.of(1));
    expect(closes).toEqual([['refused-by-handler', null]]);
  });

  it('reads nothing more from a peer that does not take its answers', async () => {
    const manual = manualHandler();
    const { socket, receive } = connect(manual.handle, { maxUnsentBytes: 100_000 });
    socket.isStalling = true;
    await receive(request(FETCH, 1));
    manual.finish.get(1)!({ frame: [Buffer.alloc(200_000)], muteMs: 0 });
    await turn();
    await receive(request(FETCH, 2));
    expect(manual.begun).toEqual([1]);
    expect(socket.isPaused()).toBe(true);
    socket.isStalling = false;
    socket.stalled!();
    await turn();
    await turn();
    expect(manual.begun).toEqual([1, 2]);
  });

  it('answers what was begun when it drains, and begins nothing more', async () => {
    const manual = manualHandler();
    const { socket, closes, connection, receive } = connect(manual.handle);
    await receive(request(FETCH, 1), request(FETCH, 2));
    connection.drain();
    manual.finish.get(1)!(answerOf(1));
    await turn();
    await turn();
    expect(manual.begun).toEqual([1]);
    expect(Buffer.concat(socket.writes)).toEqual(Buffer.of(1));
    expect(closes).toEqual([['shutdown', null]]);
  });

  it('closes on a broken frame and says why to the log, not to the peer', async () => {
    const { socket, closes, receive } = connect(() => answerOf(1));
    await receive(Buffer.from('GET / HTTP/1.1\r\n'));
    expect(closes[0]![0]).toBe('protocol-error');
    expect(socket.writes).toEqual([]);
  });

  it('tells a fault of ours to our log and nothing to the peer', async () => {
    const fault = new Error('secret detail');
    const { socket, closes, faults, receive } = connect(() => {
      throw fault;
    });
    await receive(request(FETCH, 1));
    expect(faults).toEqual([fault]);
    expect(closes).toEqual([['internal-error', null]]);
    expect(socket.writes).toEqual([]);
  });

  it('gives back to the receive budget what it held, also when it dies', async () => {
    const manual = manualHandler();
    const { connection, receive, shares } = connect(manual.handle);
    await receive(request(FETCH, 1, 1000), request(FETCH, 2, 1000).subarray(0, 500));
    expect(shares.receive.heldBytes).toBeGreaterThanOrEqual(2000);
    connection.close('idle');
    expect(shares.receive.heldBytes).toBe(0);
  });

  it('begins nothing more for a peer whose finished answers fill its share', async () => {
    let begun = 0;
    const { socket } = connect(
      () => {
        begun += 1;
        return { frame: [Buffer.alloc(1000)], muteMs: 0 };
      },
      { maxUnsentBytes: 2500 },
    );
    socket.isStalling = true;
    socket.push(Buffer.concat(Array.from({ length: 50 }, (_, id) => request(FETCH, id))));
    await turn();
    expect(begun).toBe(3);
  });

  it('begins what was sent before the peer went, when its turn comes', async () => {
    const begun: number[] = [];
    let nowMs = 0;
    const { socket, closes } = connect(
      (frame) => {
        begun.push(frame.readInt32BE(4));
        nowMs += 6;
        return { frame: null, muteMs: 0 };
      },
      { nowMs: () => nowMs },
    );
    const sent = Array.from({ length: 4 }, (_, id) => request(PRODUCE, id));
    socket.push(Buffer.concat(sent));
    socket.push(null);
    await expect.poll(() => closes).toEqual([['peer-closed', null]]);
    expect(begun).toEqual([0, 1, 2, 3]);
  });

  it('lets others have their turn between requests that are slow to begin', async () => {
    let begun = 0;
    let nowMs = 0;
    const { receive } = connect(
      () => {
        begun += 1;
        nowMs += 6;
        return { frame: [Buffer.of(1)], muteMs: 0 };
      },
      { nowMs: () => nowMs },
    );
    await receive(...Array.from({ length: 12 }, (_, id) => request(FETCH, id)));
    expect(begun).toBeLessThan(12);
    while (begun < 12) await turn();
  });
});
