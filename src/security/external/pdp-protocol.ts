/**
 * What a policy decision point (PDP) is to the rest: a way to put questions into a message, and to
 * read verdicts out of one. Two files implement it: `authzen.ts` and `opa.ts`.
 *
 * Invariant: an answer is read strictly. What is not exactly the form of the protocol, for every
 * question of the message, is an error and never a verdict.
 */
import type { Question } from '../authorizer.ts';

export interface Verdict {
  readonly allowed: boolean;
  /** What the PDP said of it, cleaned and cut; null when it said nothing. */
  readonly reason: string | null;
}

export interface PdpRequest {
  readonly path: string;
  readonly body: string;
}

export interface PdpProtocol {
  /** Questions that one message may carry. */
  readonly batchMax: number;
  /** Questions with equal keys must not differ in `facts` within a message. */
  identities(question: Question): readonly { readonly id: string; readonly facts: string }[];
  request(questions: readonly Question[]): PdpRequest;
  /** One verdict a question, in order; throws PdpError when the answer is not in order. */
  verdicts(answer: unknown, count: number): readonly Verdict[];
}

/** Why no verdict came. */
export type PdpFailure =
  | 'timeout'
  | 'unreachable'
  | 'status'
  | 'refused'
  | 'malformed'
  | 'oversize'
  | 'overloaded'
  | 'circuit-open'
  | 'closed';

export class PdpError extends Error {
  override readonly name = 'PdpError';
  readonly failure: PdpFailure;

  constructor(failure: PdpFailure, message: string) {
    super(message);
    this.failure = failure;
  }
}

const REASON_CHARS_MAX = 200;

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Own properties only: `__proto__` in an answer is a name like any other. */
export function field(value: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(value, name) ? value[name] : undefined;
}

/** A PDP's words as they may stand in a log line: one line, no control characters, short. */
export function cleaned(words: unknown): string | null {
  if (words === undefined || words === null) return null;
  const text = typeof words === 'string' ? words : JSON.stringify(words);
  const plain = text
    .slice(0, 4 * REASON_CHARS_MAX)
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+/gu, ' ')
    .trim();
  if (plain === '') return null;
  return plain.length > REASON_CHARS_MAX ? `${plain.slice(0, REASON_CHARS_MAX)}...` : plain;
}

/** `acme/telemetry`: no tenant's name contains a slash, so no two tenants share an id. */
export function qualifiedId(tenant: string, name: string): string {
  return `${tenant}/${name}`;
}

/** Roles come with some credentials; a principal without the field has none. */
export function rolesOf(principal: Question['principal']): readonly string[] {
  const roles: unknown = 'roles' in principal ? principal.roles : undefined;
  return Array.isArray(roles) ? roles.filter((role) => typeof role === 'string') : [];
}
