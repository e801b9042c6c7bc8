/** The development policy and two tenants' CAs. */
import { createTestPki } from '../pki/test-pki.ts';
import { DEV_POLICY } from '../security/policy-fixture.ts';
import type { WorldSetting } from './world.ts';

export function testSetting(): WorldSetting {
  const { acme, globex } = createTestPki().tenants;
  return {
    policyDirectory: DEV_POLICY,
    caPems: { acme: acme.certificate.toString(), globex: globex.certificate.toString() },
  };
}
