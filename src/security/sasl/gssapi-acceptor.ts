/**
 * Owns libkrb5 as the judge of a client's first token, through the optional package `kerberos`.
 *
 * Invariants: one context and one step a login; the steps run on libuv's threads, where the replay
 * cache's lock can hold them up, so few run at a time and a bounded number waits: the disk, which
 * needs the same threads, is never starved.
 */
const STEPS_AT_ONCE_MAX = 2;
const WAITING_MAX = 1000;
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

/** Resolves to why not, for what libkrb5 refuses; `isBusy` when it was not asked. */
export type Acceptor = (
  token: Buffer,
) => Promise<Accepted | { readonly problem: string; readonly isBusy: boolean }>;

/** `kerberos` finds its keytab and its replay cache in the environment of the process. */
export function libkrb5Acceptor(kerberos: KerberosPackage): Acceptor {
  const turns = new Turns();
  return async (token) => {
    if (!(await turns.take())) return { problem: 'too many logins wait', isBusy: true };
    try {
      return await accept(kerberos, token);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return { problem: message.replace(GENERIC, ''), isBusy: false };
    } finally {
      turns.give();
    }
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

/** Lets a few through at a time, the others in the order in which they came. */
class Turns {
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  /** False, at once, when too many wait already. */
  async take(): Promise<boolean> {
    if (this.#running < STEPS_AT_ONCE_MAX) {
      this.#running += 1;
      return true;
    }
    if (this.#waiting.length >= WAITING_MAX) return false;
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return true;
  }

  give(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#running -= 1;
    else next();
  }
}
