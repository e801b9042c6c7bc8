/**
 * Owns the salting of passwords (PBKDF2), which costs milliseconds of a thread: it is done on Node's
 * thread pool, a few at a time, so that a flood of logins leaves threads for the disk.
 *
 * Invariants: what waits is bounded, for an address and together; addresses take turns, so that one
 * that floods delays others by one piece of work a turn. The share is by address and not by the
 * tenant or user that a login claims: nobody has proven those yet, and a stranger must not use up
 * what is another's. A password that was handed in is wiped when its work has ended.
 */
import { pbkdf2 } from 'node:crypto';
import type { ScramMechanism } from '../scram/scram-mechanism.ts';

/** Of the four threads that files and name look-ups use as well. */
const RUNNING_MAX = 2;
/** A few seconds of work: clients take a refusal for final, and many may share an address. */
const WAITING_PER_ADDRESS_MAX = 512;
const WAITING_MAX = 4096;

/** There is no room for the work; the login may be tried again. */
export class PasswordWorkRefused extends Error {
  readonly code = 'PASSWORD_WORK_REFUSED';
}

export interface Salting {
  /** Wiped in the end. */
  readonly password: Buffer;
  readonly salt: Buffer;
  readonly iterations: number;
}

interface Job extends Salting {
  readonly mechanism: ScramMechanism;
  readonly resolve: (salted: Buffer) => void;
  readonly reject: (error: Error) => void;
}

export class PasswordWork {
  /** By address; who comes next stands first. */
  readonly #waiting = new Map<string, Job[]>();
  #waitingCount = 0;
  #running = 0;

  /** RFC 5802's SaltedPassword. Rejects with PasswordWorkRefused when too much is waiting. */
  salted(address: string, mechanism: ScramMechanism, salting: Salting): Promise<Buffer> {
    const jobs = this.#waiting.get(address) ?? [];
    if (jobs.length >= WAITING_PER_ADDRESS_MAX || this.#waitingCount >= WAITING_MAX) {
      salting.password.fill(0);
      return Promise.reject(new PasswordWorkRefused('too many passwords wait to be checked'));
    }
    return new Promise((resolve, reject) => {
      jobs.push({ ...salting, mechanism, resolve, reject });
      this.#waiting.set(address, jobs);
      this.#waitingCount += 1;
      this.#begin();
    });
  }

  #begin(): void {
    while (this.#running < RUNNING_MAX) {
      const job = this.#next();
      if (job === undefined) return;
      this.#running += 1;
      const { password, salt, iterations, mechanism } = job;
      pbkdf2(password, salt, iterations, mechanism.digestBytes, mechanism.digest, (error, key) => {
        password.fill(0);
        this.#running -= 1;
        if (error === null) job.resolve(key);
        else job.reject(error);
        this.#begin();
      });
    }
  }

  /** The first of the address whose turn it is, which then goes to the end. */
  #next(): Job | undefined {
    for (const [address, jobs] of this.#waiting) {
      const job = jobs.shift();
      this.#waiting.delete(address);
      if (jobs.length > 0) this.#waiting.set(address, jobs);
      this.#waitingCount -= 1;
      return job;
    }
    return undefined;
  }
}
