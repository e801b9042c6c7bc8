/** Questions as tests ask them. */
import type { Operation, ResourceTypeName } from '../../../src/security/acl/operation.ts';
import type { Question } from '../../../src/security/authorizer.ts';
import type { KafkaPrincipal } from '../../../src/security/principal.ts';

export const principal = (tenant: string, name: string, more: object = {}): KafkaPrincipal => ({
  principalType: 'User',
  name,
  tenant,
  kind: 'device',
  fleet: 'dev',
  roles: [],
  authentication: 'mTLS',
  certificateSerial: '01',
  expiresAtMs: null,
  ...more,
});

export const question = (
  resourceName: string,
  {
    who = principal('acme', 'device-1'),
    operation = 'WRITE',
    resourceType = 'TOPIC',
    host = '10.0.0.1',
    clientId = 'client',
  }: {
    who?: KafkaPrincipal;
    operation?: Operation;
    resourceType?: ResourceTypeName;
    host?: string;
    clientId?: string;
  } = {},
): Question => ({
  principal: who,
  host,
  action: { operation, resourceType, resourceName },
  anyResource: false,
  client: { clientId, apiKey: 0, apiVersion: 9, listener: 'mtls' },
});
