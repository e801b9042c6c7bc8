/** A fleet view on a disk in memory, with a clock that the test sets, and connections of no socket. */
import type { FileSystem } from '../../src/base/file-system.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { systemRandom } from '../../src/base/random.ts';
import { ConnectionMeter } from '../../src/fleet/connection-meter.ts';
import { Fleet, type FleetSettings, type OpenConnection } from '../../src/fleet/fleet.ts';
import { type KafkaPrincipal, NO_ROLES } from '../../src/security/principal.ts';
import { PowerCutFileSystem, seededRandom } from '../crash/power-cut-file-system.ts';
import { type HandClock, handClock } from '../tools/hand-clock.ts';

export const START_MS = 1_700_000_000_000;
export const DIRECTORY = '/data/fleet';

export interface FleetScene {
  readonly fleet: Fleet;
  readonly clock: HandClock;
  readonly files: PowerCutFileSystem;
  /** As a start after the process ended: on what is left on that disk. */
  again(files: PowerCutFileSystem, isTenant?: (tenant: string) => boolean): FleetScene;
  connect(name: string, change?: Partial<KafkaPrincipal>): Connected;
}

export interface Connected {
  readonly open: OpenConnection;
  readonly meter: ConnectionMeter;
  readonly bytes: { bytesRead: number; bytesWritten: number };
}

export function fleetScene(
  settings: Partial<FleetSettings> = {},
  files = new PowerCutFileSystem(seededRandom(1)),
  clock = handClock(START_MS),
  isTenant: (tenant: string) => boolean = () => true,
): FleetScene {
  const fleet = openFleet(files, clock, settings, isTenant);
  return {
    fleet,
    clock,
    files,
    again: (disk, stillTenant = isTenant) => fleetScene(settings, disk, clock, stillTenant),
    connect(name, change) {
      const meter = new ConnectionMeter();
      const bytes = { bytesRead: 0, bytesWritten: 0 };
      const open = fleet.connected(principal(name, change), '192.0.2.7', bytes, meter);
      return { open, meter, bytes };
    },
  };
}

function openFleet(
  files: FileSystem,
  clock: HandClock,
  settings: Partial<FleetSettings>,
  isTenant: (tenant: string) => boolean,
): Fleet {
  return Fleet.open({
    files,
    directory: DIRECTORY,
    clock,
    random: systemRandom,
    logger: silentLogger,
    settings: { devicesMax: 1000, devicesPerTenantMax: 1000, flushMs: 5000, ...settings },
    isTenant,
  });
}

export function principal(name: string, change: Partial<KafkaPrincipal> = {}): KafkaPrincipal {
  return {
    principalType: 'User',
    name,
    tenant: 'acme',
    kind: 'device',
    fleet: 'plant-a',
    roles: NO_ROLES,
    authentication: 'mTLS',
    certificateSerial: '0A1B',
    expiresAtMs: START_MS + 90 * 86_400_000,
    certificate: { issuerKeyId: 'ab'.repeat(32), serial: '0A1B', validFromMs: START_MS - 1000 },
    ...change,
  };
}
