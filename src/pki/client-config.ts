/**
 * Owns the configuration files that go with a client's certificate: Java's `<name>.properties` and
 * `<name>.kcat.conf` for kcat and other clients of librdkafka.
 *
 * Invariant: a text is a value in either format, whatever characters it holds; the files hold or
 * name a private key, so whoever writes them makes them private.
 */

/** What lies beside a client's certificate, by the places where the client will find it. */
export interface ClientFiles {
  readonly bootstrap: string;
  readonly certificatePath: string;
  readonly keyPath: string;
  readonly serverCaPath: string;
}

/** kcat reads lines, so the keys stay in their files. */
export function kcatConfig(files: ClientFiles): string {
  return [
    '# kcat -F this-file -L',
    `bootstrap.servers=${files.bootstrap}`,
    'security.protocol=ssl',
    `ssl.ca.location=${files.serverCaPath}`,
    `ssl.certificate.location=${files.certificatePath}`,
    `ssl.key.location=${files.keyPath}`,
    '',
  ].join('\n');
}

/** Java's key: PEM within the file, or, for keys that Kafka cannot read as PEM, a PKCS#12 file. */
export type JavaKey =
  | { readonly kind: 'pem'; readonly chainPem: string; readonly keyPem: string }
  | { readonly kind: 'p12'; readonly path: string; readonly password: string };

/** Needs no other file, unless the key is in a PKCS#12 file. */
export function javaProperties(bootstrap: string, serverCaPem: string, key: JavaKey): string {
  const keyProperties: Record<string, string> =
    key.kind === 'pem'
      ? {
          'ssl.keystore.type': 'PEM',
          'ssl.keystore.certificate.chain': key.chainPem,
          'ssl.keystore.key': key.keyPem,
        }
      : {
          'ssl.keystore.type': 'PKCS12',
          'ssl.keystore.location': key.path,
          'ssl.keystore.password': key.password,
        };
  const properties = {
    'bootstrap.servers': bootstrap,
    'security.protocol': 'SSL',
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.certificates': serverCaPem,
    ...keyProperties,
  };
  const lines = Object.entries(properties).map(
    ([name, value]) => `${name}=${propertyValue(value)}\n`,
  );
  return lines.join('');
}

/** A value as java.util.Properties reads it back. */
function propertyValue(value: string): string {
  return value
    .replaceAll('\\', '\\\\')
    .replaceAll('\n', '\\n')
    .replace(/^ /, '\\ ')
    .replace(/[^\x20-\x7e]/g, (character) => {
      return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
    });
}
