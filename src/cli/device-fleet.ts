/** The fleet of a device, read from its certificate in a PKI folder. Never from anywhere else. */
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { readIfThere } from '../base/credential-files.ts';
import { isSubjectName, isTenantName } from '../pki/identity-name.ts';

const FLEET_IN_URI =
  /^URI:spiffe:\/\/[a-z0-9.-]+\/fleet\/([A-Za-z0-9_-]+)\/device\/[A-Za-z0-9_-]+$/;

/** Null when there is no certificate of that name, or it is no device's. */
export function fleetOfDevice(pkiDir: string, tenant: string, device: string): string | null {
  if (!isTenantName(tenant) || !isSubjectName(device)) return null;
  const pem = readIfThere(join(pkiDir, tenant, `${device}.crt`));
  if (pem === null) return null;
  try {
    const names = new X509Certificate(pem).subjectAltName ?? '';
    return FLEET_IN_URI.exec(names)?.[1] ?? null;
  } catch {
    return null;
  }
}
