/**
 * The SASL mechanisms that the configuration enables. Invariant: one that is enabled and cannot work
 * stops the start with a sentence that says what to do.
 */
import { join } from 'node:path';
import { systemClock } from '../base/clock.ts';
import { makeDirectory, readIfThere, writeWhole } from '../base/credential-files.ts';
import { ConfigError } from '../base/errors.ts';
import { systemRandom } from '../base/random.ts';
import type { Config } from '../config/config-schema.ts';
import type { SecurityState } from '../metadata/security-state.ts';
import { OauthIssuers } from '../security/sasl/oauth-issuer.ts';
import { oauthBearerMechanism } from '../security/sasl/oauthbearer-exchange.ts';
import type { SaslMechanism } from '../security/sasl/sasl-mechanism.ts';
import { type ScramLookup, scramSaslMechanism } from '../security/sasl/scram-exchange.ts';
import { scramMechanismByName } from '../security/scram/scram-mechanism.ts';
import { enabledGssapi, type GssapiParts } from './gssapi.ts';
import { saslIssuers } from './token-issuers.ts';

const DECOY_SECRET_FILE = 'scram-decoy.key';
const DECOY_SECRET_BYTES = 32;
const GSSAPI = 'GSSAPI';
const OAUTHBEARER = 'OAUTHBEARER';

/** In the order in which they are enabled; empty: there is no SASL listener. */
export async function enabledMechanisms(
  config: Config,
  state: SecurityState,
  parts: GssapiParts,
): Promise<SaslMechanism[]> {
  const names = (config['sasl.enabled.mechanisms'] ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  if (new Set(names).size < names.length) {
    throw new ConfigError('sasl.enabled.mechanisms names a mechanism twice');
  }
  return Promise.all(
    names.map((name) =>
      name === GSSAPI ? enabledGssapi(config, parts) : mechanismNamed(name, config, state, parts),
    ),
  );
}

function mechanismNamed(
  name: string,
  config: Config,
  state: SecurityState,
  parts: GssapiParts,
): SaslMechanism {
  const scram = scramMechanismByName(name);
  if (scram !== undefined) {
    const lookup: ScramLookup = ({ tenant, user }, mechanism) => {
      const known = state.image.tenants.get(tenant);
      return known?.state === 'active'
        ? known.scramCredentials.get({ user, mechanism })
        : undefined;
    };
    const decoySecret = decoySecretIn(config['data.dir']);
    return scramSaslMechanism(scram, { lookup, random: systemRandom, decoySecret });
  }
  if (name === OAUTHBEARER) {
    return oauthBearerMechanism(new OauthIssuers(saslIssuers(config, parts), systemClock));
  }
  throw new ConfigError(
    `sasl.enabled.mechanisms: ${JSON.stringify(name)} is not served; ` +
      `use SCRAM-SHA-256, SCRAM-SHA-512, ${OAUTHBEARER} or ${GSSAPI}`,
  );
}

/** Made at the first start; without it, users that do not exist would show at each restart. */
function decoySecretIn(dataDirectory: string): Buffer {
  const directory = join(dataDirectory, 'metadata');
  const path = join(directory, DECOY_SECRET_FILE);
  const found = readIfThere(path);
  if (found !== null) {
    const secret = Buffer.from(found.trim(), 'base64');
    if (secret.length === DECOY_SECRET_BYTES) return secret;
    throw new ConfigError(`${path} is damaged: remove it, and a new one is made`);
  }
  const secret = systemRandom.bytes(DECOY_SECRET_BYTES);
  makeDirectory(directory, 'private');
  const options = { access: 'private', replace: false, durable: true } as const;
  writeWhole(path, `${secret.toString('base64')}\n`, options);
  return secret;
}
