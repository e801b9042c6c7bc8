/** What the configuration says of abuse: the guard of both listeners, and who is a proxy. */
import type { Clock } from '../base/clock.ts';
import { inNetworks, parseNetworks } from '../base/ip-address.ts';
import type { Config } from '../config/config-schema.ts';
import type { ProxyProtocol } from '../network/proxy-protocol.ts';
import { AuthenticationGuard } from '../security/abuse/authentication-guard.ts';

export function authenticationGuard(config: Config, clock: Clock): AuthenticationGuard {
  const exempt = config['failed.authentication.exempt.addresses'];
  const settings = {
    delayMs: config['connection.failed.authentication.delay.ms'],
    holdMaxMs: config['failed.authentication.backoff.max.ms'],
    windowMs: config['failed.authentication.window.ms'],
    failuresPerPrincipalMax: config['failed.authentication.max.per.principal'],
    failuresPerAddressMax: config['failed.authentication.max.per.address'],
    failuresToBan: config['ban.automatic.failures'],
    banMs: config['ban.automatic.duration.ms'],
    exempt: exempt === null ? [] : checked(exempt),
  };
  return new AuthenticationGuard(settings, clock);
}

/** Null when the key names nobody: then a PROXY header is garbage like any other. */
export function proxyProtocol(
  config: Config,
  key: 'proxy.protocol.addresses' | 'sasl.proxy.protocol.addresses',
  clock: Clock,
): ProxyProtocol | null {
  const listed = config[key];
  if (listed === null) return null;
  const networks = checked(listed);
  const timeoutMs = config['proxy.protocol.timeout.ms'];
  return { isProxy: (address) => inNetworks(networks, address), timeoutMs, clock };
}

/** The configuration took nothing else. */
function checked(text: string): NonNullable<ReturnType<typeof parseNetworks>> {
  const networks = parseNetworks(text);
  if (networks === null) throw new Error('a list of networks that was not checked');
  return networks;
}
