/** The broker's own reading of a keytab: exact look-ups, new keys without a restart. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../../src/base/clock.ts';
import { Keytab, type KeytabEntry, parseKeytab } from '../../../src/security/sasl/gssapi-keytab.ts';
import { randomKey } from '../../tools/forged-ticket.ts';
import { keytabBytes } from './keytab-bytes.ts';

const entry = (more: Partial<KeytabEntry> = {}): KeytabEntry => ({
  names: ['kafka', 'localhost'],
  realm: 'FLEET.TEST',
  version: 2,
  key: randomKey(18),
  ...more,
});

describe('a keytab', () => {
  it('gives back what was written, past holes, and leaves types out that are not served', () => {
    const entries = [entry(), entry({ version: 70_000, key: randomKey(19) })];
    const weak = entry({ key: { type: 23, bytes: Buffer.alloc(16) } });
    expect(parseKeytab(keytabBytes([...entries, weak], 40))).toEqual(entries);
  });

  it('that is cut off or is none at all is an error, never a loop or a crash', () => {
    const whole = keytabBytes([entry(), entry({ version: 3 })], 8);
    expect(() => parseKeytab(Buffer.alloc(0))).toThrow();
    expect(() => parseKeytab(Buffer.from([5, 1]))).toThrow();
    for (let length = 2; length < whole.length; length += 1) {
      try {
        expect(parseKeytab(whole.subarray(0, length)).length).toBeLessThan(2);
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        try {
          parseKeytab(Buffer.concat([Buffer.from([5, 2]), bytes]));
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
    );
  });

  describe('that changes', () => {
    let nowMs = 0;
    let bytes: Buffer | Error;
    let changes: (string | null)[] = [];
    const clock: Clock = {
      nowMs: () => nowMs,
      monotonicMs: () => nowMs,
      setTimer: () => ({ cancel: () => undefined }),
    };
    const open = (first: Buffer): Keytab => {
      changes = [];
      bytes = first;
      return new Keytab({
        read: () => {
          if (bytes instanceof Error) throw bytes;
          return bytes;
        },
        serviceName: 'kafka',
        clock,
        onChange: (problem) => changes.push(problem?.message ?? null),
      });
    };
    const has = (keytab: Keytab, { names, realm, version, key }: KeytabEntry): boolean =>
      keytab.keyFor(names, realm, version, key.type)?.bytes.equals(key.bytes) ?? false;

    it('has the new keys within a second, and the old ones no more', () => {
      const [old, fresh] = [entry(), entry({ version: 3 })];
      const keytab = open(keytabBytes([old]));
      bytes = keytabBytes([fresh]);
      expect(has(keytab, old)).toBe(true);
      nowMs += 1000;
      expect([has(keytab, fresh), has(keytab, old)]).toEqual([true, false]);
      expect(changes).toEqual([null]);
    });

    it('for the worse keeps the last good keys and says so once', () => {
      const old = entry();
      const keytab = open(keytabBytes([old]));
      for (const bad of [
        Buffer.from('half a file'),
        keytabBytes([entry({ names: ['http', 'localhost'] })]),
        new Error('gone'),
      ]) {
        changes = [];
        bytes = bad;
        for (let look = 0; look < 3; look += 1) {
          nowMs += 1000;
          expect(has(keytab, old)).toBe(true);
        }
        expect(changes).toHaveLength(1);
        expect(changes[0]).toEqual(expect.any(String));
      }
    });

    it('holds keys of our service and of two components alone', () => {
      const keytab = open(
        keytabBytes([
          entry(),
          entry({ names: ['http', 'localhost'] }),
          entry({ names: ['kafka'] }),
          entry({ names: ['kafka', 'a', 'b'] }),
        ]),
      );
      expect(keytab.entries).toHaveLength(1);
    });
  });
});
