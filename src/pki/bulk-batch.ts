/**
 * Owns the work of one batch of a bulk issue: keys, certificates and the files of each. It runs in a
 * worker thread or on the main one (see bulk-issue.ts) and knows neither.
 *
 * Invariant: nothing is on disk until `write`, which the caller may only call when the records that
 * `make` returned are durable. One leaf that cannot be made (a bad request) does not stop the others.
 */
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { systemClock } from '../base/clock.ts';
import { type NewFile, readBytesRequired, writeTogether } from '../base/credential-files.ts';
import { PkiError } from '../base/errors.ts';
import { systemRandom } from '../base/random.ts';
import { type CertificateAuthority, issueForPublicKey } from './certificate-authority.ts';
import { identityProfile } from './certificate-profile.ts';
import { readCertificateRequest } from './certificate-request.ts';
import { commandSigner } from './command-signer.ts';
import type { ListedIdentity } from './device-list.ts';
import { type IssuedRecord, recordOf } from './issue-record.ts';
import { createKeyPair, type KeyType } from './key-pair.ts';
import { type LeafFileOptions, leafFiles } from './leaf-files.ts';
import { keySigner, type Signer, type SignerSpec } from './signer.ts';

/** What every batch of a run needs; can be sent to a thread, unless the signer cannot. */
export interface BulkJob {
  readonly tenant: string;
  readonly trustDomain: string;
  readonly issuerDer: Uint8Array;
  readonly signer: SignerSpec;
  /** Null: the CRL of the CA is published nowhere. */
  readonly crlUrl: string | null;
  readonly keyType: KeyType;
  readonly days: number | null;
  /** Folder with `<name>.csr` for each; null: keys are generated. */
  readonly requestsDir: string | null;
  readonly files: Omit<LeafFileOptions, 'random' | 'replace'>;
  readonly durable: boolean;
}

export interface BulkEntry extends ListedIdentity {
  /** An interrupted run left files of this one, or force was used. */
  readonly replace: boolean;
  /** The name was revoked: the validity begins after that; null: it was not. */
  readonly notBeforeMs: number | null;
}

export interface MadeBatch {
  readonly records: readonly IssuedRecord[];
  readonly failures: readonly BulkFailure[];
}

export interface BulkFailure {
  readonly name: string;
  readonly message: string;
}

const signerOf = (spec: SignerSpec): Signer =>
  spec.kind === 'key' ? keySigner(spec.privateKey) : commandSigner(spec.command, spec.publicKey);

export class BulkBatches {
  readonly #job: BulkJob;
  readonly #issuer: CertificateAuthority;
  /** By batch: what waits for its records to be durable. */
  readonly #made = new Map<number, ReadonlyMap<string, readonly NewFile[]>>();

  constructor(job: BulkJob) {
    this.#job = job;
    this.#issuer = {
      certificate: new X509Certificate(job.issuerDer),
      signer: signerOf(job.signer),
      crlUrl: job.crlUrl ?? undefined,
    };
  }

  make(batch: number, entries: readonly BulkEntry[]): MadeBatch {
    const records: IssuedRecord[] = [];
    const failures: BulkFailure[] = [];
    const files = new Map<string, readonly NewFile[]>();
    for (const entry of entries) {
      try {
        const made = this.#makeLeaf(entry);
        records.push(made.record);
        files.set(entry.name, made.files);
      } catch (error) {
        if (!(error instanceof PkiError)) throw error;
        failures.push({ name: entry.name, message: error.message });
      }
    }
    this.#made.set(batch, files);
    return { records, failures };
  }

  /** Writes the files of a batch, all but those of `except`. */
  write(batch: number, except: readonly string[]): void {
    const files = this.#made.get(batch) ?? new Map<string, readonly NewFile[]>();
    this.#made.delete(batch);
    const wanted = [...files].filter(([name]) => !except.includes(name));
    writeTogether(
      wanted.flatMap(([, ofLeaf]) => ofLeaf),
      this.#job.durable,
    );
  }

  #makeLeaf(entry: BulkEntry): { record: IssuedRecord; files: NewFile[] } {
    const { tenant, trustDomain, days, requestsDir, keyType } = this.#job;
    const { kind, name, fleet, replace } = entry;
    const identity =
      kind === 'device'
        ? ({ kind, tenant, name, fleet: fleet ?? '' } as const)
        : ({ kind, tenant, name } as const);
    const keys =
      requestsDir === null
        ? createKeyPair(keyType)
        : { publicKey: requestedKey(requestsDir, name), privateKey: null };
    const certificate = issueForPublicKey(
      this.#issuer,
      identityProfile(identity, trustDomain),
      keys.publicKey,
      {
        ...(days === null ? {} : { days }),
        ...(entry.notBeforeMs === null ? {} : { notBeforeMs: entry.notBeforeMs }),
      },
    );
    const ca = this.#issuer.certificate;
    return {
      record: recordOf({ kind, name, fleet }, certificate, {
        publicKey: keys.publicKey,
        issuer: ca,
        nowMs: systemClock.nowMs(),
      }),
      files: leafFiles(
        { baseName: name, chain: [certificate, ca], privateKey: keys.privateKey },
        { ...this.#job.files, random: systemRandom, replace },
      ),
    };
  }
}

function requestedKey(dir: string, name: string): ReturnType<typeof readCertificateRequest> {
  const path = join(dir, `${name}.csr`);
  return readCertificateRequest(readBytesRequired(path, 'every name in the list needs one'), path);
}
