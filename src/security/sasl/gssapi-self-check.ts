/**
 * Tries the whole of the broker's Kerberos before it listens: libkrb5 must accept a ticket made with
 * the keytab's own key, and refuse the same bytes the second time. Invariant: a broker whose replay
 * cache is off, wherever it was switched off, does not start.
 */
import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import type { Acceptor } from './gssapi-acceptor.ts';
import { makeInitialToken } from './gssapi-initiator.ts';
import type { KeytabEntry } from './gssapi-keytab.ts';

/** Nobody who could log in: names that begin so are refused by the exchange. */
const CLIENT = ['WELLKNOWN', 'breakwater-self-check'];
const TICKET_MS = 60_000;

/** What is wrong, in a sentence that says what to do; null when all is well. */
export async function kerberosProblem(
  accept: Acceptor,
  service: KeytabEntry,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
): Promise<string | null> {
  const nowMs = clock.nowMs();
  const token = makeInitialToken({
    service,
    clientNames: CLIENT,
    clientRealm: service.realm,
    nowMs,
    startsAtMs: nowMs,
    endsAtMs: nowMs + TICKET_MS,
    sessionKey: { type: service.key.type, bytes: random.bytes(service.key.bytes.length) },
    sequence: 0,
    contextFlags: 0,
    random,
  });
  const first = await accept(token);
  if ('problem' in first) {
    return (
      `Kerberos refuses a ticket made with the broker's own key (${first.problem}): check the ` +
      'keytab, krb5.conf and that the replay cache can be written (KRB5RCACHENAME)'
    );
  }
  const second = await accept(token);
  if ('problem' in second) return null;
  return (
    'Kerberos accepts the same authenticator twice: its replay cache is off; remove ' +
    'KRB5RCACHENAME=none: from the environment and default_rcache_name from krb5.conf'
  );
}
