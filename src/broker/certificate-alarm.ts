/**
 * What is done when a certificate comes from two networks at once: always a record and a warning, and
 * where the operator switched it on a quarantine, that is a suspension of that one certificate until
 * the operator ends it. Invariant: the record is durable before the quarantine begins.
 */
import type { AuditSubject } from '../audit/audit-event.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import { systemClock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Config } from '../config/config-schema.ts';
import type { SecurityState } from '../metadata/security-state.ts';
import { CertificateNetworks, type NetworksAlarm } from '../security/certificate-networks.ts';
import type { Liveness } from '../server/server.ts';

export interface CertificateAlarmParts {
  readonly state: SecurityState;
  readonly audit: AuditLog;
  readonly logger: Logger;
}

type RaiseNetworksAlarm = (subject: AuditSubject, alarm: NetworksAlarm) => void;

/** Networks in a record: more do not make it clearer. */
const NETWORKS_SHOWN_MAX = 8;

/** Watches the live connections of a server; null when the operator switched it off. */
export function watchCertificateNetworks(
  config: Config,
  parts: CertificateAlarmParts,
): Liveness | null {
  const isQuarantineOn = config['certificate.networks.quarantine'];
  if (!isQuarantineOn && !config['certificate.networks.alarm']) return null;
  const bits = {
    ipv4: config['certificate.networks.ipv4.bits'],
    ipv6: config['certificate.networks.ipv6.bits'],
  };
  const networks = new CertificateNetworks(bits, systemClock);
  const raise = networksAlarm(parts, isQuarantineOn);
  parts.state.onChange((_image, changes) => {
    for (const change of changes) {
      if (change.type !== 'suspensions') continue;
      for (const { kind, name } of change.resumed) {
        if (kind === 'certificate') networks.forget(change.tenant, name);
      }
    }
  });
  return {
    opened: (subject, principal) => {
      const alarm = networks.opened(principal, subject.remoteAddress);
      if (alarm !== null) raise(subject, alarm);
    },
    closed: (subject, principal) => networks.closed(principal, subject.remoteAddress),
  };
}

function networksAlarm(parts: CertificateAlarmParts, isQuarantineOn: boolean): RaiseNetworksAlarm {
  const { audit, logger, state } = parts;
  const quarantine = async ({ tenant, serial }: NetworksAlarm): Promise<void> => {
    await audit.durable();
    await state.setSuspended(tenant, { kind: 'certificate', name: serial }, true);
  };
  return (subject, alarm) => {
    const { tenant, name, serial } = alarm;
    const networks = alarm.networks.slice(-NETWORKS_SHOWN_MAX).join(' ');
    const facts = { tenant, name, serial, networks, quarantine: isQuarantineOn };
    audit.security(subject, {
      type: 'certificate',
      outcome: 'failure',
      reason: 'certificate-in-two-networks',
      detail: `The certificate of ${name} is in use from ${networks} at the same time.`,
      facts,
    });
    logger.warn(
      facts,
      isQuarantineOn
        ? 'a certificate is in use from two networks at once and goes into quarantine: end it with "breakwater cert quarantine release"'
        : 'a certificate is in use from two networks at once: revoke it if its key may have been copied',
    );
    if (!isQuarantineOn) return;
    quarantine(alarm).catch((err: unknown) => {
      audit.security(subject, {
        type: 'certificate',
        outcome: 'failure',
        reason: 'quarantine-failed',
        detail: `The certificate of ${name} is not in quarantine: revoke it.`,
        facts: { tenant, name, serial },
      });
      logger.error({ err, tenant, name, serial }, 'a certificate could not be put into quarantine');
    });
  };
}
