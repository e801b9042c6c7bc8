/**
 * Owns the CRLs in use on a listener, one for each CA, and the judgement of new ones.
 *
 * Invariants: a CRL counts only when a CA that is trusted here signed it, under a number that does
 * not go back; what is refused never displaces what is in use; an expired CRL goes on counting, since
 * what it revoked stays revoked. A CA without a CRL is not shut out: what operators revoke through
 * the admin API does not need one.
 */
import { PkiError } from '../base/errors.ts';
import { type Crl, isIssuerName, readingCrl } from '../pki/crl-reader.ts';
import { pemBytes, splitPem } from '../pki/der.ts';
import type { Issuer } from './tenant-ca-registry.ts';

export type CrlAlarm =
  /** It is damaged, forged, or older than the one in use. */
  | 'crl-refused'
  /** No CA that is trusted here has that name. */
  | 'crl-unknown-issuer'
  /** The one in use is past its next update, or the new one is. */
  | 'crl-expired'
  /** The one in use is due for renewal soon. */
  | 'crl-ending'
  /** The file no longer holds the one in use. */
  | 'crl-missing';

export interface CrlProblem {
  readonly alarm: CrlAlarm;
  readonly detail: string;
}

export interface FreshCrl {
  readonly issuer: Issuer;
  readonly crl: Crl;
}

export interface CrlJudgement {
  /** To be taken into use. */
  readonly fresh: readonly FreshCrl[];
  readonly problems: readonly CrlProblem[];
}

/** How far ahead the clock of the machine that signs may be. */
const CLOCK_SKEW_MS = 5 * 60_000;
const NOTICE_MS_MAX = 86_400_000;

export class CrlSet {
  readonly #inUse = new Map<string, FreshCrl>();

  readonly isRevoked = (issuerKeyId: string, serial: string): boolean =>
    this.#inUse.get(issuerKeyId)?.crl.serials.has(serial) ?? false;

  get crls(): readonly Crl[] {
    return Array.from(this.#inUse.values(), ({ crl }) => crl);
  }

  get size(): number {
    return this.#inUse.size;
  }

  /** What the PEM text of a CRL file comes to; changes nothing. Pauses often: CRLs are large. */
  *judge(pem: string, issuers: readonly Issuer[], nowMs: number): Generator<void, CrlJudgement> {
    const fresh = new Map<string, FreshCrl>();
    const problems: CrlProblem[] = [];
    const seen = new Set<string>();
    const blocks = splitPem('X509 CRL', pem);
    if (blocks.length === 0) problems.push(refused('the file holds no CRL in PEM'));
    for (const block of blocks) {
      const result = yield* this.#judgeOne(pemBytes(block), issuers, nowMs);
      if ('alarm' in result) {
        problems.push(result);
        continue;
      }
      seen.add(result.issuer.keyId);
      if (result.isNew) fresh.set(result.issuer.keyId, result);
    }
    for (const [keyId, { issuer }] of this.#inUse) {
      if (seen.has(keyId) || problems.length > 0) continue;
      const detail = `the CRL of ${nameOf(issuer)} is gone from the file; the last one counts on`;
      problems.push({ alarm: 'crl-missing', detail });
    }
    return { fresh: [...fresh.values()], problems };
  }

  take(fresh: readonly FreshCrl[]): void {
    for (const one of fresh) this.#inUse.set(one.issuer.keyId, one);
  }

  /** The CRLs in use that are past their next update, or near it. */
  due(nowMs: number): CrlProblem[] {
    return [...this.#inUse.values()]
      .filter(({ crl }) => crl.nextUpdateMs - noticeMs(crl) < nowMs)
      .map(({ issuer, crl }) => {
        const isExpired = crl.nextUpdateMs < nowMs;
        const next = new Date(crl.nextUpdateMs).toISOString();
        return {
          alarm: isExpired ? 'crl-expired' : 'crl-ending',
          detail:
            `the CRL of ${nameOf(issuer)} ${isExpired ? 'was' : 'is'} due for renewal on ${next}` +
            `${isExpired ? '; it counts on' : ''}: "cert crl" makes the next`,
        };
      });
  }

  *#judgeOne(
    der: Buffer,
    issuers: readonly Issuer[],
    nowMs: number,
  ): Generator<void, (FreshCrl & { isNew: boolean }) | CrlProblem> {
    const crl = yield* read(der);
    if ('alarm' in crl) return crl;
    yield;
    const issuer = issuers.find(({ certificate }) => crl.isSignedBy(certificate));
    if (issuer === undefined) return notSigned(crl, issuers);
    const name = nameOf(issuer);
    const known = this.#inUse.get(issuer.keyId)?.crl;
    if (known?.der.equals(der) === true) return { issuer, crl, isNew: false };
    if (crl.thisUpdateMs > nowMs + CLOCK_SKEW_MS) {
      return refused(`the CRL of ${name} is dated in the future: check the clocks`);
    }
    if (known === undefined) return { issuer, crl, isNew: true };
    if (crl.number <= known.number) {
      return refused(
        `the CRL of ${name} has number ${crl.number}, number ${known.number} is in use`,
      );
    }
    if (crl.nextUpdateMs < nowMs) {
      const detail = `a new CRL of ${name} has expired already and is not taken`;
      return { alarm: 'crl-expired', detail };
    }
    return { issuer, crl, isNew: true };
  }
}

/** How long before its end a CRL is worth an alarm: a quarter of its life, a day at most. */
function noticeMs({ thisUpdateMs, nextUpdateMs }: Crl): number {
  return Math.min(NOTICE_MS_MAX, (nextUpdateMs - thisUpdateMs) / 4);
}

function* read(der: Buffer): Generator<void, Crl | CrlProblem> {
  try {
    return yield* readingCrl(der);
  } catch (error) {
    if (error instanceof PkiError) return refused(error.message);
    throw error;
  }
}

function notSigned(crl: Crl, issuers: readonly Issuer[]): CrlProblem {
  const named = issuers.find(({ certificate }) => isIssuerName(crl, certificate));
  if (named !== undefined) return refused(`no CA named ${nameOf(named)} signed its CRL`);
  const detail = 'a CRL comes from a CA that is not trusted here';
  return { alarm: 'crl-unknown-issuer', detail };
}

const refused = (detail: string): CrlProblem => ({ alarm: 'crl-refused', detail });

const nameOf = ({ certificate }: Issuer): string => certificate.subject.replaceAll('\n', ', ');
