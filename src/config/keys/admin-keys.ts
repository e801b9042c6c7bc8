/** Owns the keys that bound the admin API. */
import { integer, optionalPath } from '../config-spec.ts';
import { KIB, MIB, MINUTE_MS, SECOND_MS } from './units.ts';

export const ADMIN_KEYS = {
  'admin.oauth.issuers.file': optionalPath({
    doc: 'YAML file of the OAuth issuers whose tokens the admin API takes beside certificates of operators, each with its keys, audience and the roles that its scopes give, of operators or, where it names tenants, of these tenants; never those of the SASL listener.',
  }),
  'admin.request.max.bytes': integer({
    default: 256 * KIB,
    min: KIB,
    max: 16 * MIB,
    doc: 'The largest body that the admin API accepts.',
  }),
  'admin.request.timeout.ms': integer({
    default: 10 * SECOND_MS,
    min: 100,
    max: 10 * MINUTE_MS,
    doc: 'How long a request to the admin API may take to arrive.',
  }),
  'admin.max.connections': integer({
    default: 64,
    min: 1,
    max: 10_000,
    doc: 'Connections to the admin listener at a time.',
  }),
};
