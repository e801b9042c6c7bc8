/**
 * GSSAPI with Kerberos 5 on the server's side (RFC 4752, RFC 4121):
 *
 *   AP-REQ -> AP-REP -> (empty) -> offer -> choice      with mutual authentication
 *   AP-REQ -> offer -> choice                           without
 *
 * Invariants: libkrb5 accepts the AP-REQ before anything in it counts; what libkrb5 lets pass and
 * should not is refused here (realm, odd names, a ticket that has ended, a key that is not exactly
 * the one the ticket names, a missing GSS checksum, any security layer); the tenant comes from the
 * operator's table of realms; an exchange takes one AP-REQ.
 */
import type { Clock } from '../../base/clock.ts';
import { isSubjectName } from '../../pki/identity-name.ts';
import type { Accepted, Acceptor } from './gssapi-acceptor.ts';
import { type OpenedApReq, openApRep, openApReq, readInitialToken } from './gssapi-ap-req.ts';
import { MalformedKerberos } from './gssapi-der.ts';
import type { Keytab } from './gssapi-keytab.ts';
import { type KerberosName, localNameOf, type NameRules } from './gssapi-name-rules.ts';
import { type KerberosRealm, type TenantProblem, tenantFor } from './gssapi-realms.ts';
import { readChoice, type WrapContext, wrapOffer } from './gssapi-wrap.ts';
import {
  NO_TOKEN,
  type SaslExchange,
  type SaslIdentity,
  type SaslMechanism,
  type SaslPeer,
  type SaslRefusal,
  type SaslStep,
  saslFailure,
} from './sasl-mechanism.ts';

/** A component or a realm: nothing that libkrb5 would escape, and no separator. */
const PLAIN_NAME = /^[!-.0-?A-[\]-~]{1,128}$/;
const RESERVED = 'WELLKNOWN';

export interface GssapiOptions {
  readonly accept: Acceptor;
  readonly keytab: Keytab;
  readonly realms: readonly KerberosRealm[];
  readonly rules: NameRules;
  readonly clock: Clock;
}

export function gssapiMechanism(options: GssapiOptions): SaslMechanism {
  return { name: 'GSSAPI', begin: (peer) => new GssapiExchange(options, peer) };
}

/** Thrown inside for what ends the exchange; never leaves this file. */
class Refused extends Error {
  readonly reason: SaslRefusal;
  readonly claimed: { readonly tenant: string | null; readonly name: string | null } | undefined;

  constructor(reason: SaslRefusal, detail: string, claimed?: Refused['claimed']) {
    super(detail);
    this.reason = reason;
    this.claimed = claimed;
  }
}

interface Established {
  readonly identity: SaslIdentity;
  readonly principal: string;
  readonly context: WrapContext;
}

class GssapiExchange implements SaslExchange {
  readonly #options: GssapiOptions;
  readonly #peer: SaslPeer;
  #state: 'initial' | 'acknowledge' | 'choice' | 'over' = 'initial';
  #established: Established | undefined;

  constructor(options: GssapiOptions, peer: SaslPeer) {
    this.#options = options;
    this.#peer = peer;
  }

  async evaluate(token: Buffer): Promise<SaslStep> {
    const state = this.#state;
    this.#state = 'over';
    try {
      if (state === 'initial') return await this.#begin(token);
      const established = this.#established;
      if (state === 'over' || established === undefined) {
        throw new MalformedKerberos('a token after the last');
      }
      if (state === 'choice') return finish(token, established, this.#options.clock);
      if (token.length > 0) throw new MalformedKerberos('a token where none belongs');
      return this.#offer(established);
    } catch (error) {
      const claimed = this.#established?.identity;
      if (error instanceof Refused) {
        return saslFailure(error.reason, error.message, error.claimed ?? claimed);
      }
      if (error instanceof MalformedKerberos) {
        return saslFailure('sasl_malformed', error.message, claimed);
      }
      throw error;
    }
  }

  async #begin(token: Buffer): Promise<SaslStep> {
    const { keytab, accept } = this.#options;
    const sealed = readInitialToken(token);
    const { serviceNames, serviceRealm, keyVersion, keyType } = sealed;
    const key = keytab.keyFor(serviceNames, serviceRealm, keyVersion, keyType);
    if (key === undefined) {
      const detail = `no key for ${shown(serviceNames, serviceRealm)}, version ${keyVersion}, type ${keyType}`;
      throw new Refused('sasl_bad_credentials', detail);
    }
    const accepted = await accept(token);
    if ('problem' in accepted) {
      const reason = accepted.isBusy ? 'sasl_unusable' : 'sasl_bad_credentials';
      throw new Refused(reason, accepted.problem);
    }
    const opened = openApReq(sealed, key);
    const service = `${serviceNames.join('/')}@${serviceRealm}`;
    if (accepted.service !== service) throw new Refused('sasl_unusable', 'another service');
    const identity = this.#identify(opened, accepted);
    const context = contextOf(opened, accepted.response);
    this.#established = { identity, principal: accepted.client, context };
    if (!opened.isMutual) return this.#offer(this.#established);
    this.#state = 'acknowledge';
    return { kind: 'challenge', token: accepted.response };
  }

  #offer({ context }: Established): SaslStep {
    this.#state = 'choice';
    return { kind: 'challenge', token: wrapOffer(context) };
  }

  /** Whom the ticket names, as one of our tenants' users. */
  #identify(opened: OpenedApReq, accepted: Accepted): SaslIdentity {
    const { realms, rules, clock } = this.#options;
    const name = plainName(opened);
    if (accepted.client !== `${name.names.join('/')}@${name.realm}`) {
      throw new Refused('sasl_unusable', 'libkrb5 names the client otherwise');
    }
    const found = tenantFor(realms, name.realm, this.#peer.serverTenant);
    if ('problem' in found) {
      throw new Refused('sasl_no_tenant', `${accepted.client}: ${TENANT_PROBLEMS[found.problem]}`);
    }
    const { tenant, defaultRealm } = found;
    const local = localNameOf(rules, name, defaultRealm);
    if (local === undefined || !isSubjectName(local)) {
      const detail = `${accepted.client}: no rule makes it a name that a user may have`;
      throw new Refused('sasl_bad_credentials', detail, { tenant, name: null });
    }
    const identity = { tenant, name: local, expiresAtMs: opened.endsAtMs };
    // libkrb5 is generous by its clock skew of five minutes.
    if (opened.endsAtMs <= clock.nowMs()) {
      throw new Refused('sasl_token_expired', 'the ticket has ended', identity);
    }
    return identity;
  }
}

const TENANT_PROBLEMS: Readonly<Record<TenantProblem, string>> = {
  'unknown-realm': 'its realm is not among sasl.kerberos.realms',
  contradiction: 'its realm does not speak for the tenant of the server name',
  ambiguous: 'its realm speaks for several tenants, and no server name chooses',
};

function finish(
  token: Buffer,
  { identity, principal, context }: Established,
  clock: Clock,
): SaslStep {
  const authorizationId = readChoice(token, context).toString('latin1');
  if (authorizationId !== '' && authorizationId !== principal) {
    throw new Refused('sasl_bad_credentials', 'to act for another user is not served');
  }
  if (identity.expiresAtMs !== null && identity.expiresAtMs <= clock.nowMs()) {
    throw new Refused('sasl_token_expired', 'the ticket ended meanwhile');
  }
  return { kind: 'success', token: NO_TOKEN, identity };
}

/** Refuses the names that split or read otherwise than they look, and those that are nobody's. */
function plainName({ clientNames, clientRealm }: OpenedApReq): KerberosName {
  const isPlain = [clientRealm, ...clientNames].every((name) => PLAIN_NAME.test(name));
  const isReserved = [clientRealm, ...clientNames].some((name) => name.startsWith(RESERVED));
  if (!isPlain || isReserved || clientNames.length === 0 || clientNames.length > 2) {
    throw new Refused('sasl_bad_credentials', `no user: ${shown(clientNames, clientRealm)}`);
  }
  return { names: clientNames, realm: clientRealm };
}

function contextOf(opened: OpenedApReq, response: Buffer): WrapContext {
  const { initiatorKey, initiatorSequence, isMutual, sessionKey } = opened;
  if (isMutual !== response.length > 0) {
    throw new Refused('sasl_unusable', 'libkrb5 answered otherwise than the client asked');
  }
  // Without an AP-REP the acceptor counts from where the client does (RFC 4121 section 4.2.6).
  if (!isMutual) {
    const sequence = { acceptorSequence: initiatorSequence, initiatorSequence };
    return { key: initiatorKey, isAcceptorKey: false, ...sequence };
  }
  const { subkey, sequence } = openApRep(response, sessionKey);
  return {
    key: subkey ?? initiatorKey,
    isAcceptorKey: subkey !== undefined,
    acceptorSequence: sequence,
    initiatorSequence,
  };
}

/** For our own log: what a peer sent, made harmless and short. */
function shown(names: readonly string[], realm: string): string {
  return JSON.stringify(`${names.join('/')}@${realm}`.slice(0, 200));
}
