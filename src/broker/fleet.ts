/** Opens the fleet view of a broker and lets it follow the tenants. */
import { join } from 'node:path';
import { systemClock } from '../base/clock.ts';
import { nodeFileSystem } from '../base/file-system.ts';
import type { Logger } from '../base/logger.ts';
import { systemRandom } from '../base/random.ts';
import type { Config } from '../config/config-schema.ts';
import { Fleet } from '../fleet/fleet.ts';
import type { SecurityState } from '../metadata/security-state.ts';

export function openFleet(config: Config, state: SecurityState, logger: Logger): Fleet {
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
    }
  });
  return fleet;
}
