/**
 * Finds out who a peer is whose TLS handshake is done, by its certificate or by a SASL login, and
 * turns away who gets in no further.
 *
 * Invariants: a refusal is recorded durably before the peer is told, and told after a delay that
 * grows with the failures; nothing is served here.
 */
import type { TLSSocket } from 'node:tls';
import type { AuditSubject, SecurityEvent } from '../audit/audit-event.ts';
import type { Claim } from '../security/abuse/authentication-guard.ts';
import type { AdmissionResult } from '../security/admission.ts';
import { formatPrincipal, type KafkaPrincipal, NO_ROLES } from '../security/principal.ts';
import type { ProvenIdentity } from '../security/proven-identity.ts';
import {
  type SaslIdentity,
  type SaslMechanism,
  type SaslPeer,
  until,
} from '../security/sasl/sasl-mechanism.ts';
import type { AbuseGate } from './abuse-gate.ts';
import { type FleetWatch, tellRefusal } from './fleet-watch.ts';
import type { ServerServices } from './request-context.ts';
import { SaslLogin } from './sasl-login.ts';

/** How long the answer to a refused login may take to leave. */
const LAST_ANSWER_MS = 100;

/** `askedServerName`: what the first message of the handshake asked for. */
export type Admit = (socket: TLSSocket, askedServerName: string | null) => AdmissionResult;

/** What a SASL listener asks of its peers. */
export interface SaslSettings {
  readonly mechanisms: readonly SaslMechanism[];
  /** sasl.server.max.receive.size, in bytes. */
  readonly frameBytesMax: number;
  readonly timeoutMs: number;
  /** connections.max.reauth.ms; 0: a login lasts as long as its credential. */
  readonly reauthMs: number;
  /** The tenant that the server name of the handshake names; null when it names none. */
  readonly serverTenantOf: (socket: TLSSocket, askedServerName: string | null) => string | null;
  /** Why somebody who proved who he is stays out all the same, by now; null: he does not. */
  readonly exclusionOf: (identity: SaslIdentity) => ShutOut | null;
}

/** `reason` is a stable code. */
export interface ShutOut {
  readonly reason: string;
  readonly detail: string;
}

export interface Refusal extends ShutOut {
  /** How long the peer waits for it. */
  readonly delayMs: number;
}

/** Somebody whose proof was accepted. */
export interface Identified {
  readonly principal: KafkaPrincipal;
  readonly login: LoggedIn | null;
  /** Whether it is shut out by now. */
  readonly recheck: () => ShutOut | null;
}

export interface LoggedIn {
  readonly login: SaslLogin;
  readonly mechanism: SaslMechanism;
  readonly identity: SaslIdentity;
  readonly peer: SaslPeer;
}

/** How a connection whose handshake is done gets its identity. */
export type Identification =
  | { readonly by: 'certificate'; readonly admit: Admit }
  | { readonly by: 'sasl'; readonly sasl: SaslSettings };

export interface ReceptionOptions {
  readonly identify: Identification;
  readonly gate: AbuseGate;
  readonly services: Pick<ServerServices, 'audit' | 'clock' | 'advertisedApis'>;
  readonly failedAuthenticationDelayMs: number;
  readonly fleet: FleetWatch;
}

export class Reception {
  readonly #options: ReceptionOptions;
  /** Sockets that are logging in. */
  readonly #logins = new Set<TLSSocket>();

  constructor(options: ReceptionOptions) {
    this.#options = options;
  }

  /** Drops everybody who is logging in. */
  close(): void {
    for (const socket of this.#logins) socket.destroy();
  }

  /** Who the peer is; null once it is refused, or gone. */
  async identify(
    socket: TLSSocket,
    askedServerName: string | null,
    subject: AuditSubject,
  ): Promise<Identified | null> {
    const { identify } = this.#options;
    if (identify.by === 'sasl') {
      const serverTenant = identify.sasl.serverTenantOf(socket, askedServerName);
      return this.#login(socket, subject, identify.sasl, serverTenant);
    }
    const result = identify.admit(socket, askedServerName);
    if (result.admitted) return { ...result, login: null };
    const delayMs = this.#options.gate.certificateRefused(subject, result.reason);
    const proven = result.proven ?? null;
    tellRefusal(this.#options.fleet, subject, result, proven);
    await this.refuse(socket, asProven(subject, proven), { ...result, delayMs });
    return null;
  }

  async #login(
    socket: TLSSocket,
    subject: AuditSubject,
    sasl: SaslSettings,
    serverTenant: string | null,
  ): Promise<Identified | null> {
    const { clock, advertisedApis } = this.#options.services;
    const peer: SaslPeer = { remoteAddress: subject.remoteAddress, serverTenant };
    const login = new SaslLogin(socket, { ...sasl, peer, advertisedApis, clock });
    this.#logins.add(socket);
    const result = await login.run().finally(() => this.#logins.delete(socket));
    if (result.kind === 'gone') {
      socket.destroy();
      return null;
    }
    if (result.kind === 'refused') {
      // Who was not judged for want of time has not guessed.
      const wasJudged = result.reason !== 'sasl_busy';
      const delayMs = wasJudged
        ? this.#options.gate.loginRefused(subject, result.claimed)
        : this.#options.failedAuthenticationDelayMs;
      const { mechanismName } = login;
      await this.#refuseLogin(
        socket,
        subject,
        { ...result, delayMs, mechanismName },
        result.claimed,
      );
      login.refuse();
      return null;
    }
    const { identity, mechanism, refusableAtMs } = result;
    const recheck = (): ShutOut | null => whyOut(identity, sasl);
    const isOut = (this.#options.gate.judge(subject, identity).refusal ?? recheck()) !== null;
    // As late as for a wrong password, and judged as late, or the time of the answer would tell.
    if (isOut) await until(refusableAtMs, clock);
    const { refusal, delayMs } = this.#options.gate.judge(subject, identity);
    const shutOut = refusal ?? recheck();
    if (shutOut !== null) {
      const answerInMs =
        refusal === null ? this.#options.gate.loginRefused(subject, identity) : delayMs;
      const said = { ...shutOut, delayMs: answerInMs, mechanismName: mechanism.name };
      await this.#refuseLogin(socket, subject, said, identity);
      login.refuse();
      return null;
    }
    if (delayMs > 0) await new Promise<void>((resolve) => clock.setTimer(delayMs, resolve));
    const principal = userPrincipal(identity, mechanism.name);
    return { principal, login: { login, mechanism, identity, peer }, recheck };
  }

  #refuseLogin(
    socket: TLSSocket,
    subject: AuditSubject,
    refusal: Refusal & { readonly mechanismName: string | null },
    claim: Claim,
  ): Promise<void> {
    tellRefusal(this.#options.fleet, subject, refusal, claim);
    return this.refuse(socket, subject, refusal, claimFacts(claim, refusal.mechanismName));
  }

  async refuse(
    socket: TLSSocket,
    subject: AuditSubject,
    { reason, detail, delayMs }: Refusal,
    facts: NonNullable<SecurityEvent['facts']> = {},
  ): Promise<void> {
    const { audit, clock } = this.#options.services;
    audit.security(subject, { type: 'authentication', outcome: 'failure', reason, detail, facts });
    const delay = new Promise<void>((resolve) => {
      clock.setTimer(delayMs, resolve);
    });
    await Promise.all([audit.durable(), delay]);
    // What the caller writes after this still has its time to leave.
    clock.setTimer(LAST_ANSWER_MS, () => socket.destroy());
  }
}

/** Who a refused certificate proved to be stands in the record, so that its tenant finds it. */
function asProven(subject: AuditSubject, proven: ProvenIdentity | null): AuditSubject {
  if (proven === null) return subject;
  const { tenant, name, fleet, certificate } = proven;
  return {
    ...subject,
    tenant,
    principal: formatPrincipal({ principalType: 'User', name }),
    fleet,
    certificateSerial: certificate?.serial ?? null,
  };
}

/** Whom a login claimed to be, and by which mechanism (null: it chose none). */
export function claimFacts(
  { tenant, name }: Claim,
  mechanism: string | null,
): NonNullable<SecurityEvent['facts']> {
  const claimed = name === null ? null : formatPrincipal({ principalType: 'User', name });
  return { claimedTenant: tenant, claimed, ...(mechanism !== null && { mechanism }) };
}

/** Milliseconds that a login lasts: the credential's time or the operator's, 0 when neither ends. */
export function lifetimeOf({ expiresAtMs }: SaslIdentity, reauthMs: number, nowMs: number): number {
  const left = expiresAtMs === null ? Number.POSITIVE_INFINITY : Math.max(1, expiresAtMs - nowMs);
  const lifetimeMs = Math.min(left, reauthMs === 0 ? Number.POSITIVE_INFINITY : reauthMs);
  return Number.isFinite(lifetimeMs) ? lifetimeMs : 0;
}

export const factsOf = ({ facts }: SaslIdentity): Pick<SecurityEvent, 'facts'> =>
  facts === undefined ? {} : { facts };

export function userPrincipal(identity: SaslIdentity, authentication: string): KafkaPrincipal {
  return {
    principalType: 'User',
    name: identity.name,
    tenant: identity.tenant,
    kind: identity.fleet == null ? 'user' : 'device',
    fleet: identity.fleet ?? null,
    roles: identity.roles ?? NO_ROLES,
    authentication,
    certificateSerial: null,
    expiresAtMs: identity.expiresAtMs,
    ...(identity.tokenId !== undefined && { tokenId: identity.tokenId }),
    ...(identity.attributes !== undefined && { attributes: identity.attributes }),
  };
}

/** Why who logged in stays out by now: shut out, or the credential has gone; null: it does not. */
export function whyOut(identity: SaslIdentity, { exclusionOf }: SaslSettings): ShutOut | null {
  const shutOut = exclusionOf(identity);
  if (shutOut !== null || (identity.isStillGood?.() ?? true)) return shutOut;
  return { reason: 'credential_gone', detail: 'the password or token changed or has ended' };
}
