/** What `serve --dev` sets below the file, the environment and --set. */
import { join } from 'node:path';
import type { ConfigKey } from '../config/config-schema.ts';
import type { RawValue } from '../config/config-spec.ts';
import { PACKAGE_ROOT } from '../config/package-root.ts';

export function devDefaults(): Partial<Record<ConfigKey, RawValue>> {
  return {
    'policy.dir': join(PACKAGE_ROOT, 'policies', 'dev'),
    'sasl.enabled.mechanisms': 'SCRAM-SHA-256,SCRAM-SHA-512',
  };
}
