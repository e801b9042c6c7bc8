/** Principals, policy folders and authorizers for the tests of the policy. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Action } from '../../src/security/authorizer.ts';
import {
  type CasbinAuthorizer,
  type CasbinAuthorizerOptions,
  createCasbinAuthorizer,
} from '../../src/security/casbin-authorizer.ts';
import type { KafkaPrincipal } from '../../src/security/principal.ts';

export const MODEL_FILE = fileURLToPath(new URL('../../policies/model.conf', import.meta.url));
export const DEV_POLICY = fileURLToPath(new URL('../../policies/dev', import.meta.url));
export const TEMPLATES = fileURLToPath(new URL('../../policies/templates', import.meta.url));
export const HOST = '127.0.0.1';

export function principal(
  tenant: string,
  name: string,
  fields: Partial<Pick<KafkaPrincipal, 'kind' | 'fleet' | 'roles' | 'attributes'>> = {},
): KafkaPrincipal {
  return {
    principalType: 'User',
    name,
    tenant,
    kind: 'device',
    fleet: null,
    roles: [],
    authentication: 'mTLS',
    certificateSerial: '01',
    expiresAtMs: 4_102_444_800_000,
    ...fields,
  };
}

export const device = (tenant: string, name: string, fleet = 'dev'): KafkaPrincipal =>
  principal(tenant, name, { fleet });
export const service = (tenant: string, name: string): KafkaPrincipal =>
  principal(tenant, name, { kind: 'service' });
export const operator = (name: string): KafkaPrincipal => principal('', name, { kind: 'operator' });

export const topic = (operation: Action['operation'], resourceName: string): Action => ({
  operation,
  resourceType: 'TOPIC',
  resourceName,
});

/** A folder of policy files that the test writes and that is removed at `close`. */
export interface PolicyFolderFixture {
  readonly directory: string;
  write(file: string, ...lines: string[]): void;
  /** Writes the text as it is, without `# end`. */
  writeRaw(file: string, text: string | Buffer): void;
  remove(file: string): void;
  close(): void;
}

export function policyFolder(): PolicyFolderFixture {
  const directory = mkdtempSync(join(tmpdir(), 'breakwater-policy-'));
  const writeRaw = (file: string, text: string | Buffer): void =>
    writeFileSync(join(directory, file), text);
  return {
    directory,
    writeRaw,
    write: (file, ...lines) => writeRaw(file, `${[...lines, '# end'].join('\n')}\n`),
    remove: (file) => rmSync(join(directory, file)),
    close: () => rmSync(directory, { recursive: true, force: true }),
  };
}

export const openAuthorizer = (
  policyDirectory: string,
  options: Partial<CasbinAuthorizerOptions> = {},
): Promise<CasbinAuthorizer> =>
  createCasbinAuthorizer({ policyDirectory, modelFile: MODEL_FILE, watch: false, ...options });
