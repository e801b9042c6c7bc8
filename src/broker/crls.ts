/**
 * The CRL files of the listeners: read at the start, and looked at again while the broker runs.
 *
 * Invariant: a CRL is recorded before it counts; a bad, forged, older or expired one is reported once
 * and leaves the last good one in use. Only at the start, when there is no last good one, does a
 * damaged file stop the broker.
 */
import type { AuditLog } from '../audit/audit-log.ts';
import type { Clock, Timer } from '../base/clock.ts';
import { readRequired } from '../base/credential-files.ts';
import { ConfigError, PkiError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Crl } from '../pki/crl-reader.ts';
import { workInTurns } from '../protocol/records/event-loop-slices.ts';
import { type CrlJudgement, type CrlProblem, CrlSet } from '../security/crl-set.ts';
import type { Issuer } from '../security/tenant-ca-registry.ts';

export interface CrlFileOptions {
  /** The configuration key, for messages. */
  readonly key: 'ssl.client.crl' | 'ssl.operator.crl';
  /** Null: there is no such file. */
  readonly path: string | null;
  /** The CAs that are trusted on the listener, as they are now. */
  readonly issuers: () => readonly Issuer[];
  readonly clock: Clock;
  readonly intervalMs: number;
  readonly audit: AuditLog;
  readonly logger: Logger;
  /** Called when a new CRL counts. */
  readonly onTaken: () => void;
}

const REMEDY = 'it is named in the configuration ("cert crl" makes CRLs)';

export class CrlFile {
  readonly #options: CrlFileOptions;
  readonly #set = new CrlSet();
  /** The text that was judged last, when judging it again would change nothing. */
  #settled: string | null = null;
  #judged: readonly CrlProblem[] = [];
  #reported = new Set<string>();
  #timer: Timer | null = null;
  #isStopped = false;

  constructor(options: CrlFileOptions) {
    this.#options = options;
  }

  get isRevoked(): CrlSet['isRevoked'] {
    return this.#set.isRevoked;
  }

  get key(): CrlFileOptions['key'] {
    return this.#options.key;
  }

  get inUse(): readonly Pick<Crl, 'thisUpdateMs' | 'nextUpdateMs'>[] {
    return this.#set.crls;
  }

  /** What an operator has to look at; null when nothing. */
  get problem(): string | null {
    const [first] = this.#reported;
    return first ?? null;
  }

  /** Reads the file for the first time. Rejects with ConfigError when it is damaged. */
  async start(): Promise<void> {
    const { key, path } = this.#options;
    if (path === null) return;
    const text = this.#read(path);
    const judgement = await this.#judge(text);
    const damaged = judgement.problems.find(({ alarm }) => alarm === 'crl-refused');
    if (damaged !== undefined) throw new ConfigError(`${key}: ${path}: ${damaged.detail}`);
    await this.#take(text, judgement);
    this.#report();
    this.#arm();
  }

  /** Looks at the file now. Never rejects. */
  async check(): Promise<void> {
    const { path, key, logger } = this.#options;
    if (path === null) return;
    try {
      const text = this.#read(path);
      if (text !== this.#settled) await this.#take(text, await this.#judge(text));
    } catch (error) {
      const detail = error instanceof ConfigError ? error.message : `${path} cannot be used`;
      if (!(error instanceof ConfigError)) logger.error({ err: error, key }, 'CRLs not taken');
      this.#settled = null;
      this.#judged = [{ alarm: 'crl-refused', detail }];
    }
    // What was under way when the broker stopped has no audit log to report to.
    if (!this.#isStopped) this.#report();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  #read(path: string): string {
    try {
      return readRequired(path, REMEDY);
    } catch (cause) {
      if (!(cause instanceof PkiError)) throw cause;
      throw new ConfigError(cause.message, { cause });
    }
  }

  #judge(text: string): Promise<CrlJudgement> {
    const { issuers, clock } = this.#options;
    return workInTurns(clock, this.#set.judge(text, issuers(), clock.nowMs()));
  }

  async #take(text: string, { fresh, problems }: CrlJudgement): Promise<void> {
    const { audit, key, onTaken } = this.#options;
    if (fresh.length > 0) {
      for (const { issuer, crl } of fresh) {
        audit.security(null, {
          type: 'certificate',
          outcome: 'success',
          reason: 'crl-loaded',
          facts: {
            key,
            issuer: issuer.certificate.subject.replaceAll('\n', ', '),
            number: String(crl.number),
            revoked: crl.serials.size,
            nextUpdateMs: crl.nextUpdateMs,
          },
        });
      }
      await audit.durable();
      this.#set.take(fresh);
      onTaken();
    }
    // A CA that is not known yet may be registered later.
    const isOpen = problems.some(({ alarm }) => alarm === 'crl-unknown-issuer');
    this.#settled = isOpen ? null : text;
    this.#judged = problems;
  }

  /** Each problem once, until it is gone. */
  #report(): void {
    const { audit, clock, key, logger } = this.#options;
    const now = new Set<string>();
    for (const { alarm, detail } of [...this.#judged, ...this.#set.due(clock.nowMs())]) {
      now.add(detail);
      if (this.#reported.has(detail)) continue;
      logger.error({ key, alarm }, `CRL: ${detail}`);
      const facts = { key };
      audit.security(null, {
        type: 'certificate',
        outcome: 'failure',
        reason: alarm,
        detail,
        facts,
      });
    }
    this.#reported = now;
  }

  #arm(): void {
    const { clock, intervalMs } = this.#options;
    this.#timer = clock.setTimer(intervalMs, () => {
      void this.check().then(() => {
        if (!this.#isStopped) this.#arm();
      });
    });
  }
}
