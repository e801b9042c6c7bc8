/** A PKI folder with one kind of key, and what outside verifiers must say to each chain in it. */
import { join } from 'node:path';
import { expect } from 'vitest';
import { issueBroker, issueDevice, issueOperator, issueService } from '../../src/pki/issue.ts';
import type { KeyType } from '../../src/pki/key-pair.ts';
import { createTenantCa } from '../../src/pki/pki-directory.ts';
import { runTool, type ToolResult, temporaryPki } from './temporary-pki.ts';

const made = new Map<KeyType, string>();

/** The folder of a PKI with every kind of certificate; one for each kind of key. */
export function wholePki(keyType: KeyType): string {
  const known = made.get(keyType);
  if (known !== undefined) return known;
  const pki = temporaryPki({ keyType });
  createTenantCa(pki, 'acme', { keyType });
  issueBroker(pki, undefined, { keyType });
  issueOperator(pki, 'operator', { keyType });
  issueDevice(pki, { tenant: 'acme', device: 'device-1' }, { keyType });
  issueService(pki, { tenant: 'acme', service: 'service-1' }, { keyType });
  made.set(keyType, pki.dir);
  return pki.dir;
}

const SERVER = { purpose: 'sslserver', oid: '1.3.6.1.5.5.7.3.1' };
const CLIENT = { purpose: 'sslclient', oid: '1.3.6.1.5.5.7.3.2' };

export const CHAINS = [
  { leaf: 'broker.crt', root: 'ca.crt', ...SERVER },
  { leaf: 'operator.crt', root: 'operator-ca.crt', ...CLIENT },
  { leaf: 'acme/device-1.crt', root: 'client-ca.crt', ...CLIENT },
  { leaf: 'acme/service-1.crt', root: 'client-ca.crt', ...CLIENT },
];

export interface OpensslCase {
  readonly dir: string;
  readonly root: string;
  readonly purpose: string;
  readonly leaf: string;
  readonly untrusted: string;
}

export const opensslVerify = (one: OpensslCase): ToolResult =>
  runTool('openssl', [
    ...['verify', '-x509_strict', '-CAfile', join(one.dir, one.root), '-purpose', one.purpose],
    ...['-untrusted', one.untrusted, one.leaf],
  ]);

/** OpenSSL with its strictest checks accepts every chain. */
export function expectOpensslAccepts(keyType: KeyType): void {
  const dir = wholePki(keyType);
  for (const { leaf, root, purpose } of CHAINS) {
    const path = join(dir, leaf);
    const { text, status } = opensslVerify({ dir, root, purpose, leaf: path, untrusted: path });
    expect({ leaf, status, text }).toMatchObject({ status: 0, text: `${path}: OK\n` });
  }
}

/** GnuTLS accepts every chain for its purpose. */
export function expectCerttoolAccepts(keyType: KeyType): void {
  const dir = wholePki(keyType);
  for (const { leaf, root, oid } of CHAINS) {
    const { text, status } = runTool('certtool', [
      ...['--verify', '--verify-profile=medium', `--verify-purpose=${oid}`],
      ...[`--load-ca-certificate=${join(dir, root)}`, `--infile=${join(dir, leaf)}`],
    ]);
    expect({ leaf, status, text }).toMatchObject({ status: 0 });
    expect(text).toContain('Chain verification output: Verified. The certificate is trusted.');
  }
}
