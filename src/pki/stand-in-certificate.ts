/**
 * Owns certificates that stand in for a CA's where only its name is wanted: TLS tells strangers the
 * names of the CAs that it trusts, and node:tls has no way to tell one without trusting it.
 *
 * Invariant: the key is made here and thrown away, so that nothing was ever signed by it, nor will.
 */
import { generateKeyPairSync, type X509Certificate } from 'node:crypto';
import { extension, subjectOf } from './certificate-builder.ts';
import { ExtensionOid } from './certificate-extensions.ts';
import {
  bitString,
  boolean,
  context,
  fromDer,
  integer,
  sequence,
  time,
  toDer,
  toPem,
} from './der.ts';
import { spkiOf } from './key-pair.ts';
import { keySigner } from './signer.ts';

const VERSION_3 = 2;

/** PEM of a self-signed certificate with the subject of `ca` and another key. */
export function standInFor(ca: X509Certificate): string {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const signer = keySigner(privateKey);
  const subject = subjectOf(ca);
  const tbs = toDer(
    sequence(
      context(0, integer(VERSION_3)),
      integer(1),
      signer.algorithm,
      subject,
      sequence(time(Date.parse(ca.validFrom)), time(Date.parse(ca.validTo))),
      subject,
      fromDer(spkiOf(publicKey)),
      context(3, sequence(extension(ExtensionOid.basicConstraints, true, sequence(boolean(true))))),
    ),
  );
  const der = sequence(fromDer(tbs), signer.algorithm, bitString(signer.sign(tbs)));
  return toPem('CERTIFICATE', toDer(der));
}
