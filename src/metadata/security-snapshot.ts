/**
 * Owns the snapshot of the security state: the image as records that lead to it. Invariant: applied
 * to an empty state, one after the other, they give the same image.
 */
import type { MetadataImage, Tenant } from './metadata-image.ts';
import type { MetadataRecord } from './metadata-log.ts';

/** Rules, quotas, credentials, tokens, revocations or bans in one record. */
const ITEMS_PER_RECORD = 1000;

export function snapshotOf(image: MetadataImage): MetadataRecord[] {
  const records: MetadataRecord[] = [];
  for (const deleted of image.deleted.all()) records.push({ type: 'tenant-deleted', ...deleted });
  for (const tenant of image.tenants.values()) records.push(...snapshotOfTenant(tenant));
  for (const banned of chunks([...image.bans.all()])) {
    records.push({ type: 'bans', lifted: [], banned });
  }
  for (const alterations of chunks([...image.brokerLimits.entries()])) {
    records.push({ type: 'broker-limits', alterations });
  }
  return records;
}

function* snapshotOfTenant(tenant: Tenant): Generator<MetadataRecord> {
  const { name, clusterId, deletion, createdAtMs, cas, acls } = tenant;
  const { clientQuotas, scramCredentials, delegationTokens, revocations } = tenant;
  const state = tenant.state === 'active' ? 'active' : 'suspended';
  const caCertificates = cas.map(({ pem }) => pem);
  yield { type: 'tenant', tenant: name, clusterId, state, createdAtMs, caCertificates };
  if (deletion !== null) yield { type: 'tenant-deleting', tenant: name, ...deletion };
  for (const { pem: caCertificate, mappingRules, isAnnounced, isShared } of tenant.importedCas) {
    const settings = { mappingRules, isAnnounced, isShared };
    yield { type: 'imported-ca', tenant: name, caCertificate, ...settings };
  }
  for (const bindings of chunks(acls)) yield { type: 'acls-added', tenant: name, bindings };
  for (const alterations of chunks([...clientQuotas.entries()])) {
    yield { type: 'client-quotas', tenant: name, alterations };
  }
  for (const alterations of chunks([...tenant.limits.entries()])) {
    yield { type: 'tenant-limits', tenant: name, alterations };
  }
  const credentials = [...scramCredentials.users()].flatMap((user) =>
    scramCredentials.ofUser(user),
  );
  for (const upserted of chunks(credentials)) {
    yield { type: 'scram-credentials', tenant: name, deleted: [], upserted };
  }
  for (const set of chunks([...delegationTokens.all()])) {
    yield { type: 'delegation-tokens', tenant: name, set, removed: [] };
  }
  for (const certificates of chunks([...revocations.certificates()])) {
    yield { type: 'certificates-revoked', tenant: name, certificates, names: [] };
  }
  for (const names of chunks([...revocations.names()])) {
    yield { type: 'certificates-revoked', tenant: name, certificates: [], names };
  }
  for (const suspended of chunks([...revocations.suspensions()])) {
    yield { type: 'suspensions', tenant: name, resumed: [], suspended };
  }
}

function* chunks<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < items.length; at += ITEMS_PER_RECORD) {
    yield items.slice(at, at + ITEMS_PER_RECORD);
  }
}
