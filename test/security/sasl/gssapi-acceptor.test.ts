/** How libkrb5 is asked: few at a time, a bounded queue, nobody waits for ever. */
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../../src/base/clock.ts';
import {
  type KerberosPackage,
  libkrb5Acceptor,
} from '../../../src/security/sasl/gssapi-acceptor.ts';

/** A libkrb5 whose steps end when the test says so. */
const world = () => {
  const timers = new Set<() => void>();
  const clock: Clock = {
    nowMs: () => 0,
    monotonicMs: () => 0,
    setTimer: (_delayMs, run) => {
      timers.add(run);
      return { cancel: () => timers.delete(run) };
    },
  };
  const running: { readonly challenge: string; end(error?: Error): void }[] = [];
  const begun: string[] = [];
  const kerberos: KerberosPackage = {
    initializeServer: async () => ({
      username: 'alice@FLEET.TEST',
      targetName: 'kafka/localhost@FLEET.TEST',
      response: null,
      contextComplete: true,
      step: (challenge) =>
        new Promise<void>((resolve, reject) => {
          begun.push(challenge);
          running.push({ challenge, end: (error) => (error ? reject(error) : resolve()) });
        }),
    }),
  };
  const accept = libkrb5Acceptor(kerberos, clock);
  return { accept, running, begun, timers };
};
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('libkrb5', () => {
  it('is asked by two at a time, in the order in which they came', async () => {
    const { accept, running, begun, timers } = world();
    const answers = [0, 1, 2, 3, 4].map((byte) => accept(Buffer.from([byte])));
    const order = [0, 1, 2, 3, 4].map((byte) => Buffer.from([byte]).toString('base64'));
    for (let ended = 0; ended < 5; ended += 1) {
      await settle();
      expect(begun).toEqual(order.slice(0, Math.min(ended + 2, 5)));
      running[ended]!.end(ended === 2 ? new Error('no') : undefined);
    }
    const all = await Promise.all(answers);
    expect(all.map((answer) => 'problem' in answer)).toEqual([false, false, true, false, false]);
    expect(timers.size).toBe(0);
  });

  it('says why not, without the words that it always begins with', async () => {
    const { accept, running } = world();
    const answer = accept(Buffer.from([1]));
    await settle();
    running[0]!.end(
      new Error(
        'Unspecified GSS failure.  Minor code may provide more information: Request is a replay',
      ),
    );
    expect(await answer).toEqual({ problem: 'Request is a replay', isBusy: false });
  });

  it('that hangs refuses those who wait, starts no more steps, and goes on when it can', async () => {
    const { accept, running, begun, timers } = world();
    const first = Array.from({ length: 1002 }, () => accept(Buffer.from([1])));
    await settle();
    expect(await accept(Buffer.from([2]))).toMatchObject({ isBusy: true });
    expect(begun).toHaveLength(2);
    for (const fire of [...timers]) fire();
    expect((await Promise.all(first)).every((answer) => 'problem' in answer)).toBe(true);
    expect(begun).toHaveLength(2);
    for (const step of running.splice(0)) step.end();
    await settle();
    await settle();
    const after = accept(Buffer.from([3]));
    await settle();
    expect(begun).toHaveLength(3);
    running[0]!.end();
    expect(await after).toMatchObject({ client: 'alice@FLEET.TEST' });
  });
});
