/**
 * The fleet of a device, from a PKI folder: its certificate there, else the list of what the tenant's
 * CA has signed (a certificate may have been issued elsewhere). Never from anywhere else.
 */
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { readIfThere } from '../base/credential-files.ts';
import { isSubjectName, isTenantName } from '../pki/identity-name.ts';
import { readIssued } from '../pki/issue-record.ts';
import { openPki } from '../pki/pki-directory.ts';

const FLEET_IN_URI =
  /^URI:spiffe:\/\/[a-z0-9.-]+\/fleet\/([A-Za-z0-9_-]+)\/device\/[A-Za-z0-9_-]+$/;

/** Null when nothing at hand is about that name, or it is no device's. */
export function fleetOfDevice(pkiDir: string, tenant: string, device: string): string | null {
  if (!isTenantName(tenant) || !isSubjectName(device)) return null;
  try {
    const pem = readIfThere(join(pkiDir, tenant, `${device}.crt`));
    if (pem === null) return lastIssuedFleet(pkiDir, tenant, device);
    const names = new X509Certificate(pem).subjectAltName ?? '';
    return FLEET_IN_URI.exec(names)?.[1] ?? null;
  } catch {
    return null;
  }
}

function lastIssuedFleet(pkiDir: string, tenant: string, device: string): string | null {
  const issued = readIssued(openPki(pkiDir), tenant);
  return issued.findLast(({ name }) => name === device)?.fleet ?? null;
}
