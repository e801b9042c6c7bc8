/**
 * What a GSSAPI login is refused for, as data: for a lenient acceptor in `npm test`, and for the
 * real libkrb5 in `npm run test:full`.
 */
import type { SaslPeer, SaslStep } from '../../../src/security/sasl/sasl-mechanism.ts';
import { type Forgery, randomKey } from '../../tools/forged-ticket.ts';

export const REALMS = 'FLEET.TEST=acme, SHARED.TEST=acme+globex, SECOND.TEST=acme';
export const RULES = 'RULE:[1:$1@$0](.*@SECOND\\.TEST)s/@.*//,DEFAULT';

export const peer = (serverTenant: string | null = null): SaslPeer => ({
  remoteAddress: '127.0.0.1',
  serverTenant,
});

export interface GssapiCase {
  readonly title: string;
  /** Built anew for each run: it holds times. */
  readonly forgery: () => Forgery;
  readonly serverTenant?: string;
  readonly step: Partial<SaslStep> & Pick<SaslStep, 'kind'>;
}

const refusedFor = (reason: string): GssapiCase['step'] => ({ kind: 'failure', reason }) as never;
const acceptedAs = (tenant: string, name: string): GssapiCase['step'] =>
  ({ kind: 'success', identity: { tenant, name } }) as never;
const malformed = refusedFor('sasl_malformed');
const nobody = refusedFor('sasl_bad_credentials');

/** libkrb5 lets all of these pass: the exchange itself has to refuse. */
export const REFUSED_BY_US: readonly GssapiCase[] = [
  {
    title: 'a ticket that ended two minutes ago',
    forgery: () => ({
      startsAtMs: Date.now() - 3_600_000,
      endsAtMs: Date.now() - 120_000,
    }),
    step: refusedFor('sasl_token_expired'),
  },
  {
    title: 'a client of a realm that is not in the table',
    forgery: () => ({ clientRealm: 'OTHER.TEST' }),
    step: refusedFor('sasl_no_tenant'),
  },
  {
    title: 'a realm that differs in case alone',
    forgery: () => ({ clientRealm: 'fleet.test' }),
    step: refusedFor('sasl_no_tenant'),
  },
  {
    title: 'a client of a good realm for whom a realm between vouches',
    // libkrb5 asks its capaths, and takes those that the hierarchy of names allows.
    forgery: () => ({ clientRealm: 'SECOND.TEST', transited: 'TEST' }),
    step: malformed,
  },
  {
    title: 'the anonymous principal',
    forgery: () => ({
      clientNames: ['WELLKNOWN', 'ANONYMOUS'],
      clientRealm: 'WELLKNOWN:ANONYMOUS',
    }),
    step: nobody,
  },
  {
    title: 'an anonymous principal of a realm',
    forgery: () => ({ clientNames: ['WELLKNOWN', 'ANONYMOUS'] }),
    step: nobody,
  },
  { title: 'no name at all', forgery: () => ({ clientNames: [] }), step: nobody },
  { title: 'an empty name', forgery: () => ({ clientNames: [''] }), step: nobody },
  ...['alice@FLEET.TEST', 'al/ice', 'al\\ice', 'alice\0', 'al ice', 'alic\u00e9'].map((name) => ({
    title: `the name ${JSON.stringify(name)}`,
    forgery: () => ({ clientNames: [name] }),
    step: nobody,
  })),
  {
    title: 'very many components',
    forgery: () => ({ clientNames: Array.from({ length: 9 }, () => 'a') }),
    step: malformed,
  },
  { title: 'three components', forgery: () => ({ clientNames: ['a', 'b', 'c'] }), step: nobody },
  {
    title: 'a name that no user may have',
    forgery: () => ({ clientNames: ['al.ice'] }),
    step: nobody,
  },
  {
    title: 'an authenticator without the checksum of GSS-API',
    forgery: () => ({ contextFlags: null }),
    step: malformed,
  },
  {
    title: 'an authenticator with a checksum of another kind',
    forgery: () => ({ checksumType: 7 }),
    step: { kind: 'failure' },
  },
  {
    title: 'DCE style',
    forgery: () => ({ contextFlags: 0x1000 }),
    // By libkrb5 where there is no mutual authentication, by us where there is.
    step: { kind: 'failure' },
  },
  { title: 'a last token that is one ahead', forgery: () => ({ sequenceBy: 1 }), step: malformed },
  {
    title: 'a last token that is one behind',
    forgery: () => ({ sequenceBy: -1 }),
    step: malformed,
  },
  { title: 'a last token of the acceptor', forgery: () => ({ flagsBy: 1 }), step: malformed },
  {
    title: 'a last token that says it is sealed',
    forgery: () => ({ flagsBy: 2 }),
    step: malformed,
  },
  {
    title: 'a last token of an acceptor key that there is not',
    forgery: () => ({ flagsBy: 4 }),
    step: malformed,
  },
  ...[0, 2, 3, 4, 5, 7, 0xff].map((layer) => ({
    title: `the security layers ${layer}`,
    forgery: () => ({ choice: Buffer.from([layer, 0, 0, 0]) }),
    step: malformed,
  })),
  {
    title: 'a choice of three bytes',
    forgery: () => ({ choice: Buffer.from([1, 0, 0]) }),
    step: malformed,
  },
  { title: 'an empty choice', forgery: () => ({ choice: Buffer.alloc(0) }), step: malformed },
  ...['bob@FLEET.TEST', 'alice', 'alice@FLEET.TEST\0', 'ALICE@FLEET.TEST'].map((authzid) => ({
    title: `to act as ${JSON.stringify(authzid)}`,
    forgery: () => ({ choice: Buffer.from(`\u0001\0\0\0${authzid}`, 'latin1') }),
    step: nobody,
  })),
  {
    title: 'a realm of two tenants with nothing that chooses',
    forgery: () => ({ clientRealm: 'SHARED.TEST' }),
    step: refusedFor('sasl_no_tenant'),
  },
  {
    title: 'a realm under the server name of a tenant that is not its own',
    forgery: () => ({}),
    serverTenant: 'globex',
    step: refusedFor('sasl_no_tenant'),
  },
  {
    title: "alice of a tenant's second realm, which no rule lets in as alice",
    forgery: () => ({ clientRealm: 'SHARED.TEST' }),
    serverTenant: 'acme',
    step: nobody,
  },
];

/** What has to work beside them. */
export const ACCEPTED: readonly GssapiCase[] = [
  ...[17, 18, 19, 20].map((type) => ({
    title: `a session key of type ${type}`,
    forgery: () => ({ sessionKey: randomKey(type) }),
    step: acceptedAs('acme', 'alice'),
  })),
  {
    title: 'a subkey of the client',
    forgery: () => ({ subkey: randomKey(19) }),
    step: acceptedAs('acme', 'alice'),
  },
  {
    title: 'sequence numbers that reach into the 32nd bit',
    forgery: () => ({ sequence: 0xffff_fffe }),
    step: acceptedAs('acme', 'alice'),
  },
  {
    title: 'the sequence number 0',
    forgery: () => ({ sequence: 0 }),
    step: acceptedAs('acme', 'alice'),
  },
  ...[12, 16, 28, 65_535].map((rotation) => ({
    title: `a last token rotated by ${rotation}`,
    forgery: () => ({ rotation }),
    step: acceptedAs('acme', 'alice'),
  })),
  {
    title: 'to act as oneself',
    forgery: () => ({ choice: Buffer.from('\u0001\0\0\0alice@FLEET.TEST', 'latin1') }),
    step: acceptedAs('acme', 'alice'),
  },
  {
    title: 'user/host',
    forgery: () => ({ clientNames: ['alice', 'host-1.example'] }),
    step: acceptedAs('acme', 'alice'),
  },
  {
    title: 'another realm of the tenant by a rule',
    forgery: () => ({ clientRealm: 'SECOND.TEST' }),
    step: acceptedAs('acme', 'alice'),
  },
  {
    title: 'a realm of two tenants, chosen by the server name',
    forgery: () => ({ clientRealm: 'SHARED.TEST' }),
    serverTenant: 'globex',
    step: acceptedAs('globex', 'alice'),
  },
];
