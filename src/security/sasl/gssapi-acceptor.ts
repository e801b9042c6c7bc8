/**
 * Owns libkrb5 as the judge of a client's first token, through the optional package `kerberos`.
 *
 * Invariants: one context and one step a login; the steps run on libuv's threads, where the replay
 * cache's lock can hold them up, so few run at a time and a bounded number waits: the disk, which
 * needs the same threads, is never starved; and no login waits longer than a few seconds.
 */
import type { Clock, Timer } from '../../base/clock.ts';

const STEPS_AT_ONCE_MAX = 2;
const WAITING_MAX = 1000;
/** Then the login is refused; the step, which nobody can stop, keeps its turn until it ends. */
const ANSWER_WITHIN_MS = 5000;
/** libkrb5 puts this before what it has to say. */
const GENERIC = /^Unspecified GSS failure\. +Minor code may provide more information: /;

/** The part of the package that is used. */
export interface KerberosPackage {
  initializeServer(service: string): Promise<{
    step(challenge: string): Promise<unknown>;
    readonly username: string | null;
    readonly response: string | null;
    readonly targetName: string | null;
    readonly contextComplete: boolean;
  }>;
}

export interface Accepted {
  /** The client's principal as libkrb5 writes it. */
  readonly client: string;
  /** Our own principal, which the ticket is for. */
  readonly service: string;
  /** The AP-REP; empty when the client did not ask for one. */
  readonly response: Buffer;
}

export interface NotAccepted {
  /** For our own log. */
  readonly problem: string;
  /** libkrb5 did not answer: the fault is not the client's. */
  readonly isBusy: boolean;
}

/** Never rejects. */
export type Acceptor = (token: Buffer) => Promise<Accepted | NotAccepted>;

/** `kerberos` finds its keytab and its replay cache in the environment of the process. */
export function libkrb5Acceptor(kerberos: KerberosPackage, clock: Clock): Acceptor {
  const turns = new Turns();
  return async (token) => {
    if (turns.isFull) return { problem: 'too many logins wait for libkrb5', isBusy: true };
    let isLate = false;
    let timer: Timer | undefined;
    const late = new Promise<NotAccepted>((resolve) => {
      timer = clock.setTimer(ANSWER_WITHIN_MS, () => {
        isLate = true;
        resolve({ problem: 'libkrb5 did not answer in time', isBusy: true });
      });
    });
    const judged = turns.inTurn(async () => {
      if (isLate) return late;
      try {
        return await accept(kerberos, token);
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        return { problem: message.replace(GENERIC, ''), isBusy: false };
      }
    });
    const answer = await Promise.race([judged, late]);
    timer?.cancel();
    return answer;
  };
}

async function accept(kerberos: KerberosPackage, token: Buffer): Promise<Accepted> {
  // Without a name of its own it takes the keytab's keys as they are, and asks no name service.
  const server = await kerberos.initializeServer('');
  await server.step(token.toString('base64'));
  const { username, targetName, response } = server;
  if (username === null || targetName === null || !server.contextComplete) {
    throw new Error('the context is not complete after the first token');
  }
  return {
    client: username,
    service: targetName,
    response: Buffer.from(response ?? '', 'base64'),
  };
}

/** Lets a few run at a time, the others in the order in which they came. */
class Turns {
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  get isFull(): boolean {
    return this.#waiting.length >= WAITING_MAX;
  }

  async inTurn<T>(run: () => Promise<T>): Promise<T> {
    if (this.#running < STEPS_AT_ONCE_MAX) this.#running += 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await run();
    } finally {
      // The turn goes on to the next one, or comes back.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
