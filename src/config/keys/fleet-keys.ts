/** Owns the keys of the fleet view and of client telemetry (KIP-714). */
import { flag, integer } from '../config-spec.ts';
import { HOUR_MS, KIB, MIB, SECOND_MS } from './units.ts';

export const FLEET_KEYS = {
  'fleet.devices.max': integer({
    default: 1_000_000,
    min: 100,
    max: 2_000_000,
    doc: 'Devices, services and users of all tenants of which the fleet view keeps a record, at about 260 bytes of memory each; beyond it those of the same tenant that were not seen for longest go first.',
  }),
  'fleet.devices.max.per.tenant': integer({
    default: 1_000_000,
    min: 1,
    max: 2_000_000,
    doc: 'The same for one tenant.',
  }),
  'fleet.flush.interval.ms': integer({
    default: 5 * SECOND_MS,
    min: 100,
    max: HOUR_MS,
    doc: 'How often what connections counted is added to the records of the fleet view and written to disk; a kill loses at most as much of it.',
  }),
  'telemetry.enable': flag({
    default: true,
    doc: 'Takes the metrics that clients push (KIP-714). Which those are each tenant says itself, with client-metrics configs; without any, clients are told to push nothing.',
  }),
  'telemetry.max.bytes': integer({
    default: MIB,
    min: KIB,
    max: 16 * MIB,
    doc: 'The most that one push of client metrics may hold, compressed or not.',
  }),
  'telemetry.push.interval.min.ms': integer({
    default: 5 * SECOND_MS,
    min: 100,
    max: HOUR_MS,
    doc: 'The shortest time between two pushes of a client; a tenant that asks for less gets this.',
  }),
  'telemetry.instances.max': integer({
    default: 16_384,
    min: 16,
    max: 1_000_000,
    doc: 'Client instances of all tenants whose newest metrics are kept, in memory; beyond it those of the same tenant that were silent for longest go first. One that is silent for three times its push interval, at least a minute, is forgotten.',
  }),
};
