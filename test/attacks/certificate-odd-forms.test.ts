/**
 * Threat: a certificate that the tenant's own CA signed, in a form that our issuing never makes and
 * a careless parser would misread: two names, names in one relative part, further usages, unknown
 * critical extensions. Made by openssl with the real key of the CA, presented over a real socket.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { RefusalReason } from '../../src/security/admission.ts';
import { type OpensslLeafOptions, opensslLeaf } from '../pki/openssl-leaf.ts';
import { createTestPki, TRUST_DOMAIN } from '../pki/test-pki.ts';
import { admissionOf, reasonOf, startTestServer, type TestServer } from '../pki/test-tls-server.ts';
import { describeRequiring } from '../tools/tool-detection.ts';

const HOST = `acme.${TRUST_DOMAIN}`;
const URI = `URI:spiffe://${HOST}/fleet/plant-a/device/device-1`;

interface Case {
  readonly name: string;
  readonly leaf: OpensslLeafOptions;
  readonly reason: RefusalReason;
}

const CASES: Case[] = [
  {
    name: 'two common names, the right one first',
    leaf: { subject: '/CN=device-1/CN=admin-1' },
    reason: 'name_mismatch',
  },
  {
    name: 'two common names, the right one last',
    leaf: { subject: '/CN=admin-1/CN=device-1' },
    reason: 'name_mismatch',
  },
  {
    name: 'the common name in one part with another attribute',
    leaf: { subject: '/O=x+CN=device-1' },
    reason: 'name_mismatch',
  },
  { name: 'no common name', leaf: { subject: '/O=CN=device-1' }, reason: 'name_mismatch' },
  { name: 'another case', leaf: { subject: '/CN=Device-1' }, reason: 'name_mismatch' },
  { name: 'a space after the name', leaf: { subject: '/CN=device-1 ' }, reason: 'name_mismatch' },
  { name: 'letters that look alike', leaf: { subject: '/CN=dеvice-1' }, reason: 'name_mismatch' },
  {
    name: 'an e-mail address in the subject',
    leaf: { subject: '/CN=device-1/emailAddress=a@example.com' },
    reason: 'untrusted_chain',
  },
  { name: 'no extended key usage', leaf: { extendedKeyUsage: null }, reason: 'wrong_key_usage' },
  {
    name: 'any extended key usage',
    leaf: { extendedKeyUsage: 'anyExtendedKeyUsage' },
    reason: 'wrong_key_usage',
  },
  {
    name: 'a further extended key usage',
    leaf: { extendedKeyUsage: 'clientAuth,1.2.3.4' },
    reason: 'wrong_key_usage',
  },
  {
    name: 'a key that may not sign',
    leaf: { keyUsage: 'critical,keyEncipherment' },
    reason: 'untrusted_chain',
  },
  { name: 'no alternative name', leaf: { subjectAltName: null }, reason: 'malformed_identity' },
  {
    name: 'an e-mail address that the constraints permit',
    leaf: { subjectAltName: `${URI},email:x@invalid` },
    reason: 'malformed_identity',
  },
  {
    name: 'a name of another kind beside the URI',
    leaf: { subjectAltName: `${URI},RID:1.2.3.4` },
    reason: 'malformed_identity',
  },
  {
    name: 'a user principal name beside the URI',
    leaf: { subjectAltName: `${URI},otherName:1.3.6.1.4.1.311.20.2.3;UTF8:admin-1` },
    reason: 'malformed_identity',
  },
  {
    name: 'the same URI twice',
    leaf: { subjectAltName: `${URI},${URI}` },
    reason: 'malformed_identity',
  },
  {
    name: 'a port in the URI',
    leaf: { subjectAltName: `URI:spiffe://${HOST}:443/service/device-1` },
    reason: 'malformed_identity',
  },
  {
    name: 'a user in the URI',
    leaf: { subjectAltName: `URI:spiffe://globex.${TRUST_DOMAIN}@${HOST}/service/device-1` },
    reason: 'malformed_identity',
  },
  {
    name: 'a percent sign in the URI',
    leaf: { subjectAltName: `URI:spiffe://${HOST}/service/device%2D1` },
    reason: 'malformed_identity',
  },
  {
    name: 'a host in capitals',
    leaf: { subjectAltName: `URI:spiffe://${HOST.toUpperCase()}/service/device-1` },
    reason: 'malformed_identity',
  },
  {
    name: 'an unknown critical extension',
    leaf: { more: '1.2.3.4=critical,ASN1:UTF8String:x' },
    reason: 'untrusted_chain',
  },
];

describeRequiring(['openssl'], 'the client listener refuses', () => {
  const pki = createTestPki();
  const { acme } = pki.tenants;
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer(pki);
  });
  afterAll(() => server.close());

  const admission = (options: OpensslLeafOptions): ReturnType<typeof admissionOf> => {
    const leaf = opensslLeaf(acme, { subjectAltName: URI, ...options });
    const chain = [leaf.certificate, acme.certificate];
    return admissionOf(pki, server, { credential: { chain, privateKey: leaf.privateKey } });
  };

  it.each(CASES)('$name: $reason', async ({ leaf, reason }) => {
    const { result, client } = await admission(leaf);
    expect(reasonOf(result)).toBe(reason);
    expect(client.welcomed).toBe(false);
  });

  it('nothing of a plain certificate from the same hand', async () => {
    const { result } = await admission({});
    expect(result).toMatchObject({ principal: { name: 'device-1', tenant: 'acme' } });
  });
});
