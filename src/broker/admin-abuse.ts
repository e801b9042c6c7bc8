/**
 * What the admin listener asks and tells of abuse: the same guard and the same bans as the listeners
 * for clients. Invariant: whoever is on the machine itself, or at an address that the operator
 * exempted, is never turned away here, so that a ban can always be taken back.
 */
import type { AdminAbuse } from '../admin/admin-services.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import { inNetworks, type Network, parseNetworks } from '../base/ip-address.ts';
import type { Config } from '../config/config-schema.ts';
import type { AuthenticationGuard } from '../security/abuse/authentication-guard.ts';
import type { BanExclusion } from '../security/abuse/bans.ts';
import { AbuseGate } from '../server/abuse-gate.ts';

const LOOPBACK = '127.0.0.0/8,::1/128';

export interface AdminAbuseParts {
  readonly guard: AuthenticationGuard;
  readonly banOfAddress: (address: string) => BanExclusion | null;
  readonly audit: AuditLog;
}

export type AbuseConfig = Pick<
  Config,
  'failed.authentication.exempt.addresses' | 'connection.failed.authentication.delay.ms'
>;

export function adminAbuse(
  config: AbuseConfig,
  { guard, banOfAddress, audit }: AdminAbuseParts,
): AdminAbuse {
  const trusted = [LOOPBACK, config['failed.authentication.exempt.addresses'] ?? ''].flatMap(
    (text): readonly Network[] => parseNetworks(text) ?? [],
  );
  const delayMs = config['connection.failed.authentication.delay.ms'];
  const gate = new AbuseGate({ guard, banOfAddress }, audit, delayMs);
  return {
    turnsAway: (subject) =>
      inNetworks(trusted, subject.remoteAddress)
        ? null
        : gate.turnsAway(subject.remoteAddress, () => subject),
    handshakeFailed: (subject, code) => gate.handshakeFailed(subject, code),
    certificateRefused: (subject, reason) => gate.certificateRefused(subject, reason),
    loginRefused: (subject, claim) => gate.loginRefused(subject, claim),
    connected: (subject, who, isLogin) => gate.connected(subject, who, isLogin),
  };
}
