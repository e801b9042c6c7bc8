/**
 * A Kerberos client that holds the service's key, for tickets that no KDC would give out. It makes
 * its own AP-REQ and leads an exchange of the mechanism to its end.
 */
import { systemRandom } from '../../src/base/random.ts';
import { openApRep } from '../../src/security/sasl/gssapi-ap-req.ts';
import type { KerberosKey } from '../../src/security/sasl/gssapi-crypto.ts';
import { type InitiatorParts, makeInitialToken } from '../../src/security/sasl/gssapi-initiator.ts';
import type { KeytabEntry } from '../../src/security/sasl/gssapi-keytab.ts';
import { ACCEPTOR_SUBKEY, wrapToken } from '../../src/security/sasl/gssapi-wrap.ts';
import type { SaslExchange, SaslStep } from '../../src/security/sasl/sasl-mechanism.ts';

export const MUTUAL = 2;
const HOUR_MS = 3_600_000;

export type Forgery = Partial<InitiatorParts> & {
  /** The client's last token, before it is wrapped. */
  readonly choice?: Buffer;
  /** Added to the sequence number and to the flags of the last token. */
  readonly sequenceBy?: number;
  readonly flagsBy?: number;
  readonly rotation?: number;
  /** A bit of the last token that changes on its way. */
  readonly changedBit?: number;
  /** Instead of the empty token after the AP-REP. */
  readonly acknowledgement?: Buffer;
};

export const randomKey = (type: number): KerberosKey => ({
  type,
  bytes: systemRandom.bytes(type === 17 || type === 19 ? 16 : 32),
});

/** alice@FLEET.TEST with a ticket for an hour, unless told otherwise. */
export const forgedParts = (service: KeytabEntry, forgery: Forgery = {}): InitiatorParts => ({
  service,
  clientNames: ['alice'],
  clientRealm: 'FLEET.TEST',
  nowMs: Date.now(),
  startsAtMs: Date.now() - 1000,
  endsAtMs: Date.now() + HOUR_MS,
  sessionKey: randomKey(18),
  sequence: 0x7fff_fff0,
  contextFlags: 0,
  random: systemRandom,
  ...forgery,
});

/** Leads `exchange` as far as it goes; its last step. */
export const loginForged = async (
  exchange: SaslExchange,
  service: KeytabEntry,
  forgery: Forgery = {},
): Promise<SaslStep> => {
  const parts = forgedParts(service, forgery);
  let step = await exchange.evaluate(makeInitialToken(parts));
  if (step.kind !== 'challenge') return step;
  let key = parts.subkey ?? parts.sessionKey;
  let flags = 0;
  if (((parts.contextFlags ?? 0) & MUTUAL) !== 0) {
    const { subkey } = openApRep(step.token, parts.sessionKey);
    if (subkey !== undefined) {
      key = subkey;
      flags = ACCEPTOR_SUBKEY;
    }
    step = await exchange.evaluate(forgery.acknowledgement ?? Buffer.alloc(0));
    if (step.kind !== 'challenge') return step;
  }
  const choice = forgery.choice ?? Buffer.from([1, 0, 0, 0]);
  const sequence = parts.sequence + (forgery.sequenceBy ?? 0);
  const token = wrapToken(key, flags ^ (forgery.flagsBy ?? 0), sequence, choice);
  const sent = Buffer.from(rotated(token, forgery.rotation ?? 0));
  const { changedBit } = forgery;
  if (changedBit !== undefined) sent[changedBit >> 3]! ^= 1 << (changedBit & 7);
  return exchange.evaluate(sent);
};

/** As Windows sends it: the body turned to the right by RRC bytes (RFC 4121 section 4.2.5). */
const rotated = (token: Buffer, rotation: number): Buffer => {
  const body = token.subarray(16);
  const by = body.length - (rotation % body.length);
  const turned = Buffer.concat([token.subarray(0, 16), body.subarray(by), body.subarray(0, by)]);
  turned.writeUInt16BE(rotation, 6);
  return rotation === 0 ? token : turned;
};
