/**
 * Owns the way of one tenant's questions to its policy decision point: gathered for a moment into
 * one message where the protocol has that, a few messages at a time, a bounded queue before them.
 *
 * Invariants: every question is settled within the time-out, with a verdict or a PdpError; nothing
 * here is shared with another tenant; while the circuit is open nothing is sent and nothing waits.
 * A question that the PDP cannot take fails alone, and is no reason to open the circuit: no client
 * can cut off others by asking for something odd.
 */
import type { Clock, Timer } from '../../base/clock.ts';
import type { Question } from '../authorizer.ts';
import { CircuitBreaker, type CircuitSettings, type CircuitState } from './circuit-breaker.ts';
import type { PdpHttp } from './pdp-http.ts';
import { PdpError, type PdpProtocol, type Verdict } from './pdp-protocol.ts';

export interface LaneSettings {
  readonly timeoutMs: number;
  /** How long a question waits for others to share a message with. */
  readonly batchWaitMs: number;
  /** Messages under way at a time. */
  readonly concurrency: number;
  /** Questions that wait. */
  readonly queueMax: number;
  readonly circuit: CircuitSettings;
}

export interface LaneParts {
  readonly http: Pick<PdpHttp, 'call' | 'close'>;
  readonly protocol: PdpProtocol;
  readonly clock: Clock;
  /** Called when it is given up for a while, and when it answers again. */
  readonly onCircuit: (isOpen: boolean) => void;
}

interface Waiting {
  readonly question: Question;
  /** A message with others in it was not understood. */
  readonly isAlone: boolean;
  readonly sinceMs: number;
  resolve(verdict: Verdict): void;
  reject(error: PdpError): void;
}

const ANSWER_BYTES = 16 * 1024;
const ANSWER_BYTES_PER_QUESTION = 4 * 1024;
/** Questions looked at for a message, over its size: those that may not share it stay in line. */
const LOOKED_AT_FACTOR = 4;
/** Of what clients say in one message; a single question may be longer. */
const CLIENT_CHARS_MAX = 64 * 1024;

export class PdpLane {
  readonly #settings: LaneSettings;
  readonly #parts: LaneParts;
  readonly #circuit: CircuitBreaker;
  #queue: Waiting[] = [];
  #underWay = 0;
  #gathering: Timer | null = null;
  #expiry: Timer | null = null;
  #closed = false;
  #givenUp = false;
  #messages = 0;

  constructor(settings: LaneSettings, parts: LaneParts) {
    this.#settings = settings;
    this.#parts = parts;
    this.#circuit = new CircuitBreaker(settings.circuit, parts.clock);
  }

  get circuit(): CircuitState {
    return this.#circuit.state;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /** Sent since the start. */
  get messages(): number {
    return this.#messages;
  }

  /** Rejects with PdpError. */
  ask(question: Question): Promise<Verdict> {
    if (this.#closed) return Promise.reject(closed());
    if (this.#circuit.refuses) {
      return Promise.reject(new PdpError('circuit-open', 'it failed before and is left alone'));
    }
    if (this.#queue.length >= this.#settings.queueMax) {
      return Promise.reject(new PdpError('overloaded', 'too many questions wait for it'));
    }
    return new Promise((resolve, reject) => {
      const sinceMs = this.#parts.clock.monotonicMs();
      this.#queue.push({ question, isAlone: false, sinceMs, resolve, reject });
      this.#gather();
    });
  }

  close(): void {
    this.#closed = true;
    this.#gathering?.cancel();
    this.#expiry?.cancel();
    this.#rejectAll(closed());
    this.#parts.http.close();
  }

  #gather(): void {
    const { clock, protocol } = this.#parts;
    if (this.#queue.length >= protocol.batchMax) this.#send();
    else {
      this.#gathering ??= clock.setTimer(this.#settings.batchWaitMs, () => {
        this.#gathering = null;
        this.#send();
      });
    }
    this.#watchQueue();
  }

  #send(): void {
    while (this.#queue.length > 0 && this.#underWay < this.#settings.concurrency) {
      if (!this.#circuit.mayCall()) break;
      void this.#exchange(this.#nextBatch());
    }
    if (this.#queue.length > 0 && this.#circuit.state === 'open') this.#rejectAll(left());
    this.#watchQueue();
  }

  /** From the head of the line; those that would contradict one before them stay in it. */
  #nextBatch(): Waiting[] {
    const { batchMax, identities } = this.#parts.protocol;
    const batch: Waiting[] = [];
    const passed: Waiting[] = [];
    const facts = new Map<string, string>();
    let at = 0;
    let chars = 0;
    const lookedAtMax = LOOKED_AT_FACTOR * batchMax;
    for (; at < this.#queue.length && at < lookedAtMax && batch.length < batchMax; at++) {
      const one = this.#queue[at]!;
      chars += charsOf(one.question);
      if (batch.length > 0 && (one.isAlone || chars > CLIENT_CHARS_MAX)) break;
      const said = batchMax === 1 ? [] : identities(one.question);
      if (said.some(({ id, facts: own }) => (facts.get(id) ?? own) !== own)) {
        passed.push(one);
        continue;
      }
      for (const { id, facts: own } of said) facts.set(id, own);
      batch.push(one);
      if (one.isAlone) {
        at += 1;
        break;
      }
    }
    this.#queue = [...passed, ...this.#queue.slice(at)];
    return batch;
  }

  async #exchange(batch: readonly Waiting[]): Promise<void> {
    this.#underWay += 1;
    try {
      const verdicts = await this.#verdicts(batch);
      this.#circuit.succeeded();
      this.#tell(false);
      batch.forEach(({ resolve }, at) => {
        resolve(verdicts[at]!);
      });
    } catch (error) {
      this.#failed(batch, asPdpError(error));
    } finally {
      this.#underWay -= 1;
      if (!this.#closed) this.#send();
    }
  }

  #failed(batch: readonly Waiting[], why: PdpError): void {
    if (this.#closed) {
      for (const { reject } of batch) reject(why);
      return;
    }
    if (why.failure === 'refused') {
      this.#circuit.succeeded();
      this.#tell(false);
      if (batch.length === 1) batch[0]!.reject(why);
      else this.#queue = [...batch.map((one) => ({ ...one, isAlone: true })), ...this.#queue];
      return;
    }
    for (const { reject } of batch) reject(why);
    if (!this.#circuit.failed()) return;
    this.#rejectAll(left());
    this.#tell(true);
  }

  async #verdicts(batch: readonly Waiting[]): Promise<readonly Verdict[]> {
    const { http, protocol, clock } = this.#parts;
    const oldestMs = Math.min(...batch.map(({ sinceMs }) => sinceMs));
    const timeoutMs = Math.max(1, oldestMs + this.#settings.timeoutMs - clock.monotonicMs());
    const answerBytesMax = ANSWER_BYTES + ANSWER_BYTES_PER_QUESTION * batch.length;
    const message = protocol.request(batch.map(({ question }) => question));
    this.#messages += 1;
    const answer = await http.call(message, { timeoutMs, answerBytesMax });
    return protocol.verdicts(answer, batch.length);
  }

  /** Half of the time may pass in the line: the other half is the PDP's. */
  #watchQueue(): void {
    const { clock } = this.#parts;
    const head = this.#queue[0];
    if (head === undefined || this.#expiry !== null) return;
    const endMs = head.sinceMs + this.#settings.timeoutMs / 2;
    this.#expiry = clock.setTimer(Math.max(0, endMs - clock.monotonicMs()), () => {
      this.#expiry = null;
      this.#expire(clock.monotonicMs() - this.#settings.timeoutMs / 2);
      this.#watchQueue();
    });
  }

  #expire(sinceMs: number): void {
    const isLate = (one: Waiting): boolean => one.sinceMs <= sinceMs;
    const late = this.#queue.filter(isLate);
    if (late.length === 0) return;
    this.#queue = this.#queue.filter((one) => !isLate(one));
    const why = new PdpError('overloaded', 'the question waited too long to be sent');
    for (const { reject } of late) reject(why);
  }

  /** Once for each way: a probe that fails changes nothing. */
  #tell(isOpen: boolean): void {
    if (this.#givenUp === isOpen) return;
    this.#givenUp = isOpen;
    this.#parts.onCircuit(isOpen);
  }

  #rejectAll(error: PdpError): void {
    const waiting = this.#queue;
    this.#queue = [];
    for (const { reject } of waiting) reject(error);
  }
}

const charsOf = ({ action, client }: Question): number =>
  action.resourceName.length + (client?.clientId.length ?? 0);

export const asPdpError = (error: unknown): PdpError =>
  error instanceof PdpError ? error : new PdpError('malformed', String(error));

const closed = (): PdpError => new PdpError('closed', 'it is not asked any more');
const left = (): PdpError => new PdpError('circuit-open', 'it failed before and is left alone');
