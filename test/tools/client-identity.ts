/**
 * One client's certificate files in a directory laid out like certs-dev, and the forms in which
 * each kind of client wants them. Nothing here starts a client.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Password of every PKCS#12 file that the dev certificates and the tests use. */
export const pkcs12Password = 'changeit';

export interface ClientIdentity {
  /** What the client trusts: the server CA. */
  readonly caFile: string;
  /** Certificate chain, leaf first. */
  readonly certFile: string;
  readonly keyFile: string;
  readonly pkcs12File: string;
}

/** The files of `<certsDir>/<tenant>/<name>.*`. */
export const clientIdentity = (certsDir: string, tenant: string, name: string): ClientIdentity => ({
  caFile: join(certsDir, 'ca.crt'),
  certFile: join(certsDir, tenant, `${name}.crt`),
  keyFile: join(certsDir, tenant, `${name}.key`),
  pkcs12File: join(certsDir, tenant, `${name}.p12`),
});

/** PEM texts for node:tls, kafkajs and @platformatic/kafka. */
export const nodeTlsOptions = (
  identity: ClientIdentity,
): { ca: string; cert: string; key: string } => ({
  ca: readFileSync(identity.caFile, 'utf8'),
  cert: readFileSync(identity.certFile, 'utf8'),
  key: readFileSync(identity.keyFile, 'utf8'),
});

/** Arguments that every kcat call begins with. */
export const kcatConnection = (identity: ClientIdentity, bootstrap: string): string[] => [
  ...['-b', bootstrap, '-X', 'security.protocol=ssl'],
  ...['-X', `ssl.ca.location=${identity.caFile}`],
  ...['-X', `ssl.certificate.location=${identity.certFile}`],
  ...['-X', `ssl.key.location=${identity.keyFile}`],
];

/** Kafka's own names for the same: PKCS#12 for the key, PEM for the trust. */
export const javaProperties = (
  identity: ClientIdentity,
  bootstrap: string,
): Record<string, string> => ({
  'bootstrap.servers': bootstrap,
  'security.protocol': 'SSL',
  'ssl.truststore.type': 'PEM',
  'ssl.truststore.location': identity.caFile,
  'ssl.keystore.type': 'PKCS12',
  'ssl.keystore.location': identity.pkcs12File,
  'ssl.keystore.password': pkcs12Password,
});

/** Writes a Java properties file into `directory` and returns its path. */
export const writeProperties = (
  directory: string,
  name: string,
  properties: Readonly<Record<string, string>>,
): string => {
  const path = join(directory, `${name}.properties`);
  const lines = Object.entries(properties).map(([key, value]) => `${key}=${value}\n`);
  writeFileSync(path, lines.join(''), { mode: 0o600 });
  return path;
};
