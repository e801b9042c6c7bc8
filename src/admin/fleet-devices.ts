/**
 * The fleet view for operators: what the broker saw of a device, beside what the security state says
 * of it by now, so that the answer to "why can it not connect?" stands in one place.
 */
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { DeviceFailure, DeviceRecord } from '../fleet/device-record.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { PushedMetrics } from '../fleet/telemetry/client-instances.ts';
import type { Telemetry } from '../fleet/telemetry/telemetry.ts';
import type { SecurityState } from '../metadata/security-state.ts';
import type { AuthenticationGuard } from '../security/abuse/authentication-guard.ts';
import type { RevocationCheck } from '../security/admission.ts';
import { canonicalSerial, Revocations } from '../security/revocations.ts';
import { AdminError } from './problem.ts';
import { SealedTexts } from './sealed-text.ts';

/** What stands against a device, the weightiest first. */
export const DEVICE_STATES = [
  'revoked',
  'quarantined',
  'suspended',
  'banned',
  'expired',
  'active',
] as const;
export type DeviceState = (typeof DEVICE_STATES)[number];

export interface Obstacle {
  readonly state: Exclude<DeviceState, 'active'> | 'tenant-suspended' | 'held-up';
  /** A plain sentence with what can be done. */
  readonly detail: string;
}

export interface DeviceView extends DeviceRecord {
  readonly state: DeviceState;
}

export interface DeviceDetails extends DeviceView {
  /** Why it would be refused now; empty: nothing that the broker knows of. */
  readonly obstacles: readonly Obstacle[];
  /** The newest first. */
  readonly failures: readonly DeviceFailure[];
  /** What its client instances pushed last (KIP-714), the newest first. */
  readonly telemetry: readonly PushedMetrics[];
}

export interface DeviceFilter {
  readonly prefix: string;
  readonly fleet: string | null;
  readonly state: DeviceState | 'connected' | 'disconnected' | null;
  readonly seenSinceMs: number | null;
  /** What `name/version` of the client's software begins with. */
  readonly software: string | null;
}

export interface DeviceListing {
  readonly devices: readonly DeviceView[];
  /** To be given as `cursor` for the next page; null: there is none. */
  readonly next: string | null;
}

export interface AdminFleet {
  list(
    tenant: string,
    filter: DeviceFilter,
    page: { readonly cursor: string | null; readonly limit: number },
  ): Promise<DeviceListing>;
  /** Undefined: nobody of that name was ever seen. */
  show(tenant: string, device: string): DeviceDetails | undefined;
}

export interface FleetDevicesParts {
  readonly fleet: Fleet;
  /** Null: switched off. */
  readonly telemetry: Telemetry | null;
  readonly state: SecurityState;
  readonly guard: AuthenticationGuard;
  /** What the CRLs of clients say. */
  readonly isRevoked: RevocationCheck;
  readonly clock: Clock;
  readonly random: Random;
}

export class FleetDevices implements AdminFleet {
  readonly #parts: FleetDevicesParts;
  /** Cursors count the devices of all tenants. */
  readonly #sealed: SealedTexts;

  constructor(parts: FleetDevicesParts) {
    this.#parts = parts;
    this.#sealed = new SealedTexts(parts.random);
  }

  async list(
    tenant: string,
    filter: DeviceFilter,
    { cursor: sealed, limit }: { readonly cursor: string | null; readonly limit: number },
  ): Promise<DeviceListing> {
    const { prefix } = filter;
    const about = `devices of ${tenant}`;
    const cursor = sealed === null ? null : this.#sealed.open(about, sealed);
    if (sealed !== null && cursor === null) {
      const detail = 'The cursor is not of this listing, or of an earlier run: begin without one.';
      throw new AdminError(400, 'invalid-cursor', detail);
    }
    const matches = (record: DeviceRecord): boolean => this.#matches(record, filter);
    const found = await this.#parts.fleet.list(tenant, { cursor, limit, prefix, matches });
    const devices = found.records.map((record) => ({ ...record, state: this.#stateOf(record) }));
    return { devices, next: found.next === null ? null : this.#sealed.seal(about, found.next) };
  }

  show(tenant: string, device: string): DeviceDetails | undefined {
    const record = this.#parts.fleet.find(tenant, device);
    if (record === undefined) return undefined;
    const obstacles = [...this.#obstacles(record), ...this.#passing(record)];
    const failures = this.#parts.fleet.failuresOf(tenant, device);
    const telemetry = this.#parts.telemetry?.pushedBy(tenant, device) ?? [];
    return { ...record, state: this.#stateOf(record), obstacles, failures, telemetry };
  }

  #matches(record: DeviceRecord, { fleet, state, seenSinceMs, software }: DeviceFilter): boolean {
    if (fleet !== null && record.fleet !== fleet) return false;
    if (seenSinceMs !== null && (record.lastSeenMs ?? 0) < seenSinceMs) return false;
    const told = `${record.softwareName ?? ''}/${record.softwareVersion ?? ''}`;
    if (software !== null && !told.startsWith(software)) return false;
    if (state === null) return true;
    if (state === 'connected') return record.connections > 0;
    if (state === 'disconnected') return record.connections === 0;
    return this.#stateOf(record) === state;
  }

  #stateOf(record: DeviceRecord): DeviceState {
    for (const { state } of this.#obstacles(record)) {
      if (state !== 'tenant-suspended' && state !== 'held-up') return state;
    }
    return 'active';
  }

  /** What the security state holds against it, the weightiest first. */
  *#obstacles(record: DeviceRecord): Generator<Obstacle> {
    const { image } = this.#parts.state;
    const revocations = image.tenants.get(record.tenant)?.revocations ?? Revocations.NONE;
    yield* this.#revoked(record, revocations);
    yield* suspended(record, revocations);
    const nowMs = this.#parts.clock.nowMs();
    const byName = image.bans.ofPrincipal(record.tenant, record.name, nowMs);
    if (byName !== null) yield { state: 'banned', detail: `${byName.detail}: see "ban list".` };
    const { certificate } = record;
    if (certificate === null) return;
    if (certificate.expiresMs < nowMs) {
      const detail = `The certificate that it showed last expired: renew it with "cert renew".`;
      yield { state: 'expired', detail };
    }
  }

  /** What passes by itself, or concerns more than this device. */
  *#passing({ tenant, name, address, lastFailure }: DeviceRecord): Generator<Obstacle> {
    const { guard, state, clock } = this.#parts;
    if (state.image.tenants.get(tenant)?.state === 'suspended') {
      const detail = `The tenant is suspended: end it with "tenant resume ${tenant}".`;
      yield { state: 'tenant-suspended', detail };
    }
    for (const where of new Set([address, lastFailure?.address ?? null])) {
      if (where === null) continue;
      const ban = state.image.bans.ofAddress(where, clock.nowMs());
      // Which network it is of concerns others too.
      if (ban !== null) yield { state: 'banned', detail: `${where} is banned: see "ban list".` };
      const heldMs = guard.heldUpMs(where, { tenant, name });
      if (heldMs === 0) continue;
      const seconds = Math.ceil(heldMs / 1000);
      const detail = `Too many failures from ${where}: held up for ${seconds} s more.`;
      yield { state: 'held-up', detail };
    }
  }

  *#revoked({ name, certificate }: DeviceRecord, revocations: Revocations): Generator<Obstacle> {
    if (certificate === null) return;
    const { issuerKeyId, validFromMs } = certificate;
    const serial = canonicalSerial(certificate.serial);
    if (serial === null) return;
    const byName = revocations.revokedName(name);
    const bySerial = revocations.revokedCertificate({ issuerKeyId, serial });
    const reason =
      bySerial?.reason ??
      (byName !== undefined && validFromMs <= byName.revokedAtMs ? byName.reason : undefined) ??
      (this.#parts.isRevoked(issuerKeyId, serial) ? 'on the CRL' : undefined);
    if (reason === undefined) return;
    const detail = `The certificate that it showed last is revoked (${reason}): issue another one.`;
    yield { state: 'revoked', detail };
  }
}

function* suspended(
  { name, fleet, certificate }: DeviceRecord,
  revocations: Revocations,
): Generator<Obstacle> {
  const serial = certificate === null ? null : canonicalSerial(certificate.serial);
  if (serial !== null && revocations.suspension({ kind: 'certificate', name: serial })) {
    const detail = 'Its certificate is in quarantine: end it with "cert quarantine release".';
    yield { state: 'quarantined', detail };
  }
  if (revocations.suspension({ kind: 'device', name })) {
    yield { state: 'suspended', detail: `It is suspended: end it with "device resume ${name}".` };
  }
  if (fleet !== null && revocations.suspension({ kind: 'fleet', name: fleet })) {
    const detail = `Its fleet is suspended: end it with "fleet resume ${fleet}".`;
    yield { state: 'suspended', detail };
  }
}
