/** The admin API's bans: those of operators on the security state, automatic ones in the guard. */
import type { Clock } from '../base/clock.ts';
import { formatNetwork, parseNetwork } from '../base/ip-address.ts';
import type { SecurityState } from '../metadata/security-state.ts';
import type { AuthenticationGuard } from '../security/abuse/authentication-guard.ts';
import type { Ban, BanId } from '../security/abuse/bans.ts';
import type { AdminBans, BanView } from './admin-services.ts';
import { toAdminError } from './state-tenants.ts';

export class StateBans implements AdminBans {
  readonly #state: SecurityState;
  readonly #guard: Pick<AuthenticationGuard, 'bans' | 'lift'>;
  readonly #clock: Clock;

  constructor(
    state: SecurityState,
    guard: Pick<AuthenticationGuard, 'bans' | 'lift'>,
    clock: Clock,
  ) {
    this.#state = state;
    this.#guard = guard;
    this.#clock = clock;
  }

  list(tenant: string | null): readonly BanView[] {
    const nowMs = this.#clock.nowMs();
    const stored = [...this.#state.image.bans.all()]
      .filter((ban) => ban.untilMs > nowMs)
      .map(viewOf);
    if (tenant !== null) return stored.filter((ban) => ban.tenant === tenant);
    const automatic = this.#guard.bans().map(({ network, failures, sinceMs, untilMs }) => ({
      network,
      tenant: null,
      name: null,
      sinceMs,
      untilMs,
      reason: `${failures} failed authentications`,
      automatic: true,
    }));
    return [...stored, ...automatic];
  }

  async add(id: BanId, durationMs: number, reason: string): Promise<BanView> {
    try {
      return viewOf(await this.#state.addBan({ id, durationMs, reason }));
    } catch (error) {
      throw toAdminError(error);
    }
  }

  async remove(id: BanId): Promise<boolean> {
    const network = id.kind === 'address' ? parseNetwork(id.network) : null;
    const isLifted = network !== null && this.#guard.lift(formatNetwork(network));
    try {
      return (await this.#state.removeBan(id)) || isLifted;
    } catch (error) {
      throw toAdminError(error);
    }
  }
}

function viewOf(ban: Ban): BanView {
  const { sinceMs, untilMs, reason } = ban;
  const whom =
    ban.kind === 'address'
      ? { network: ban.network, tenant: null, name: null }
      : { network: null, tenant: ban.tenant, name: ban.name };
  return { ...whom, sinceMs, untilMs, reason, automatic: false };
}
