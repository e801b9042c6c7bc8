/**
 * Owns where CRLs are published: one file for each CA, named by its key, below one address.
 *
 * Invariant: the name of a CA's CRL never changes and is no other CA's, so that what stands in a
 * certificate stays true when a CA is rotated.
 */
import type { X509Certificate } from 'node:crypto';
import { PkiError } from '../base/errors.ts';
import { keyIdentifierOf } from './certificate-builder.ts';

const URL_LENGTH_MAX = 200;

/** The file of a CA's CRL, DER, as HTTP publishes it (RFC 5280, 4.2.1.13). */
export const crlNameOf = (ca: X509Certificate): string =>
  `${keyIdentifierOf(ca).toString('hex')}.crl`;

/** Without the slash at its end. Throws PkiError. */
export function checkCrlBaseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isPlain =
    url !== null &&
    (url.protocol === 'http:' || url.protocol === 'https:') &&
    url.username === '' &&
    url.search === '' &&
    url.hash === '' &&
    /^[!-~]+$/.test(text) &&
    text.length <= URL_LENGTH_MAX;
  if (isPlain) return text.replace(/\/+$/, '');
  throw new PkiError(
    `${JSON.stringify(text.slice(0, URL_LENGTH_MAX))} is no address to publish CRLs at: use ` +
      'http://host/path (verifiers fetch CRLs before they can trust a TLS server)',
  );
}
