/**
 * Certificates made by openssl alone, in the layout of certs-dev, for Kafka as the peer and for
 * checking the tests themselves against it. Breakwater's own certificates come from src/pki.
 *
 * Shape: server CA -> server; client root -> one intermediate a tenant -> devices. P-256 throughout.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pkcs12Password } from './client-identity.ts';

const openssl = (directory: string, ...args: string[]): void => {
  execFileSync('openssl', args, { cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] });
};

const newKey = (directory: string, name: string): void =>
  openssl(
    directory,
    ...['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
    ...['-out', `${name}.key`],
  );

const selfSigned = (directory: string, name: string, commonName: string): void => {
  newKey(directory, name);
  openssl(
    directory,
    ...['req', '-x509', '-new', '-key', `${name}.key`, '-subj', `/CN=${commonName}`],
    ...['-days', '30', '-addext', 'basicConstraints=critical,CA:TRUE', '-out', `${name}.crt`],
  );
};

/** Signs a new key named `name` with `issuer`'s; `extensions` are openssl extension lines. */
const signed = (
  directory: string,
  name: string,
  commonName: string,
  issuer: string,
  extensions: readonly string[],
): void => {
  newKey(directory, name);
  const extensionFile = `${name}.ext`;
  writeFileSync(join(directory, extensionFile), extensions.map((line) => `${line}\n`).join(''));
  openssl(
    directory,
    ...['req', '-new', '-key', `${name}.key`, '-subj', `/CN=${commonName}`],
    ...['-out', `${name}.csr`],
  );
  openssl(
    directory,
    ...['x509', '-req', '-in', `${name}.csr`, '-CA', `${issuer}.crt`, '-CAkey', `${issuer}.key`],
    ...['-days', '30', '-extfile', extensionFile, '-out', `${name}.crt`],
  );
};

/** `ca.crt` and `server.crt|key` for 127.0.0.1 and localhost, signed by it. */
export const makeServerCertificate = (directory: string): void => {
  mkdirSync(directory, { recursive: true });
  selfSigned(directory, 'ca', 'test server CA');
  signed(directory, 'server', 'localhost', 'ca', [
    'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1',
    'extendedKeyUsage=serverAuth',
  ]);
};

const makeDevice = (directory: string, tenant: string, name: string): void => {
  const base = join(tenant, name);
  signed(directory, base, name, join(tenant, 'ca'), [
    `subjectAltName=URI:spiffe://${tenant}.test/fleet/none/device/${name}`,
    'extendedKeyUsage=clientAuth',
  ]);
  const path = join(directory, `${base}.crt`);
  const chain = [path, join(directory, tenant, 'ca.crt')].map((file) => readFileSync(file, 'utf8'));
  openssl(
    directory,
    ...['pkcs12', '-export', '-inkey', `${base}.key`, '-in', `${base}.crt`, '-name', name],
    ...['-certfile', join(tenant, 'ca.crt'), '-out', `${base}.p12`],
    ...['-passout', `pass:${pkcs12Password}`],
  );
  writeFileSync(path, chain.join(''));
};

/** A whole directory like certs-dev: the server's certificate, and each tenant's devices. */
export const makeOpensslPki = (
  directory: string,
  tenants: Readonly<Record<string, readonly string[]>>,
): void => {
  makeServerCertificate(directory);
  selfSigned(directory, 'client-ca', 'test client root');
  for (const [tenant, names] of Object.entries(tenants)) {
    mkdirSync(join(directory, tenant), { recursive: true });
    signed(directory, join(tenant, 'ca'), `${tenant} CA`, 'client-ca', [
      'basicConstraints=critical,CA:TRUE,pathlen:0',
    ]);
    for (const name of names) makeDevice(directory, tenant, name);
  }
};
