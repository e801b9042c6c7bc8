/** What a server tells the fleet view: connections that are served, and who was refused. */
import type { AuditSubject } from '../audit/audit-event.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { Claim } from '../security/abuse/authentication-guard.ts';
import type { ProvenIdentity } from '../security/proven-identity.ts';

export type FleetWatch = Pick<Fleet, 'connected' | 'refused'>;

/** `who`: a proven identity, or what a failed login claimed; null: nobody that is known. */
export function tellRefusal(
  fleet: FleetWatch,
  { remoteAddress: address }: AuditSubject,
  { reason, detail }: { readonly reason: string; readonly detail: string },
  who: ProvenIdentity | Claim | null,
): void {
  if (who === null || who.tenant === null || who.name === null) return;
  const { tenant, name } = who;
  const proven = 'certificate' in who ? who : null;
  fleet.refused({ tenant, name, proven, reason, detail, address });
}
