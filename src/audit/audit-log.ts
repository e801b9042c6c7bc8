/**
 * The AuditLog interface. Two streams (shared by all tenants, one pair of files a day or by size):
 * SECURITY (denials, authentication, administration, certificate and policy changes) is durable
 * before the change or refusal is acted upon; ACCESS (allowed accesses) is counted before the
 * answer goes out.
 */
import type { AccessEvent, AuditSubject, SecurityEvent } from './audit-event.ts';

export interface AuditLog {
  /** False once the security stream cannot be written: the caller must refuse what it audits. */
  readonly healthy: boolean;

  /**
   * Whether what operators do can be recorded: also where the disk is full for everybody else, since
   * a part of it is kept for them.
   */
  readonly healthyForOperators: boolean;

  /** False once the subject's tenant has used up what it may write today: its changes are refused. */
  accepts(subject: AuditSubject): boolean;

  /** Records a decision. Synchronous and cheap; a denial goes to SECURITY, an allow to ACCESS. */
  access(subject: AuditSubject, event: AccessEvent): void;

  /** Records a security event (`subject` null: the broker itself). */
  security(subject: AuditSubject | null, event: SecurityEvent): void;

  /**
   * Resolves once every SECURITY event recorded so far is on stable storage (group commit); at
   * once when none is waiting. Rejects with StorageError when it cannot be made durable, or when
   * the bounded queue overflowed: then nothing audited may be acted upon.
   */
  durable(): Promise<void>;

  /** The same for what an operator did, which has a part of the disk of its own. */
  durableForOperators(): Promise<void>;

  /** True when `durable()` would wait or reject: lets the hot path skip a promise. */
  readonly pending: boolean;

  /** Writes out and syncs everything, then closes the files. */
  close(): Promise<void>;
}
