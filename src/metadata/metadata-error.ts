/** A change that the security state refuses: nothing was changed, and the message is public. */
export type MetadataRefusal =
  /** The input is not in order. */
  | 'invalid'
  /** A private key where a certificate belongs. */
  | 'private-key'
  | 'no-such-tenant'
  | 'tenant-exists'
  /** The tenant is on its way out: nothing of it changes any more. */
  | 'tenant-deleting'
  /** The CA was a deleted tenant's. */
  | 'ca-retired'
  /** The CA, or its key, speaks for another tenant already. */
  | 'ca-taken'
  | 'no-such-ca'
  /** A tenant keeps one CA of its own. */
  | 'last-ca'
  | 'limit'
  | 'busy'
  /** Who asked for the change lost the right to it while it waited. */
  | 'denied';

export class MetadataError extends Error {
  readonly code = 'METADATA_ERROR';
  readonly reason: MetadataRefusal;

  constructor(reason: MetadataRefusal, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'MetadataError';
    this.reason = reason;
  }
}
