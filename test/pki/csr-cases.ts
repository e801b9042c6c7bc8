/** Certificate requests that openssl makes, as a device would, and as an attacker would. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runTool, testDirectory } from './temporary-pki.ts';

export interface RequestOptions {
  /** As `openssl req -newkey` takes it, with its `-pkeyopt`. */
  readonly newKey?: readonly string[];
  readonly subject?: string;
  readonly digest?: string;
  /** Extensions to ask for. */
  readonly extensions?: readonly string[];
}

export const EC_P256 = ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];

/** PEM of a request, and the path of its key. */
export function opensslRequest(options: RequestOptions = {}): { pem: Buffer; keyPath: string } {
  const dir = testDirectory('csr');
  const { newKey = EC_P256, subject = '/CN=from-the-request', digest = '-sha256' } = options;
  const made = runTool('openssl', [
    ...['req', '-new', '-nodes', '-newkey', ...newKey, digest, '-subj', subject],
    ...['-keyout', join(dir, 'key'), '-out', join(dir, 'csr')],
    ...(options.extensions ?? []).flatMap((one) => ['-addext', one]),
  ]);
  if (made.status !== 0) throw new Error(made.text);
  return { pem: readFileSync(join(dir, 'csr')), keyPath: join(dir, 'key') };
}

export const derOf = (pem: Buffer): Buffer =>
  Buffer.from(pem.toString('latin1').replace(/-----[^-]+-----/g, ''), 'base64');

export function toPemRequest(der: Buffer): Buffer {
  const body = der
    .toString('base64')
    .match(/.{1,64}/g)!
    .join('\n');
  const label = 'CERTIFICATE REQUEST';
  return Buffer.from(`-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`);
}

/** Writes a request where `cert bulk --csr` looks for it. */
export function writeRequest(dir: string, name: string, pem: Buffer): void {
  writeFileSync(join(dir, `${name}.csr`), pem);
}
