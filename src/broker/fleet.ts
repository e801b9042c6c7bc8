/** Opens the fleet view of a broker and lets it follow the tenants. */
import { join } from 'node:path';
import { systemClock } from '../base/clock.ts';
import { nodeFileSystem } from '../base/file-system.ts';
import type { Logger } from '../base/logger.ts';
import { systemRandom } from '../base/random.ts';
import type { Config } from '../config/config-schema.ts';
import { Fleet } from '../fleet/fleet.ts';
import { Telemetry } from '../fleet/telemetry/telemetry.ts';
import type { SecurityState } from '../metadata/security-state.ts';

export interface FleetParts {
  readonly fleet: Fleet;
  /** Null: switched off. */
  readonly telemetry: Telemetry | null;
}

export function openFleet(config: Config, state: SecurityState, logger: Logger): FleetParts {
  const telemetry = config['telemetry.enable'] ? telemetryOf(config) : null;
  const fleet = Fleet.open({
    files: nodeFileSystem,
    directory: join(config['data.dir'], 'fleet'),
    clock: systemClock,
    random: systemRandom,
    logger,
    settings: {
      devicesMax: config['fleet.devices.max'],
      devicesPerTenantMax: config['fleet.devices.max.per.tenant'],
      flushMs: config['fleet.flush.interval.ms'],
    },
    isTenant: (tenant) => state.image.tenants.has(tenant),
  });
  // A tenant that is deleted takes its records along.
  state.onChange((image, changes) => {
    for (const change of changes) {
      if (!('tenant' in change) || image.tenants.has(change.tenant)) continue;
      fleet.forgetTenant(change.tenant);
      telemetry?.forgetTenant(change.tenant);
    }
  });
  return { fleet, telemetry };
}

function telemetryOf(config: Config): Telemetry {
  const settings = {
    maxBytes: config['telemetry.max.bytes'],
    intervalLeastMs: config['telemetry.push.interval.min.ms'],
    instancesMax: config['telemetry.instances.max'],
  };
  return new Telemetry(settings, systemClock, systemRandom);
}
