/**
 * Delegation tokens as the configuration has them: served where the operator names a file with a
 * secret, from which the HMACs are made, and answered with DELEGATION_TOKEN_AUTH_DISABLED elsewhere.
 * Invariant: a secret that is too short to be one, or by which nobody could log in, stops the start;
 * it is in no log.
 */
import type { AuditLog } from '../audit/audit-log.ts';
import { type Clock, systemClock, type Timer } from '../base/clock.ts';
import { readRequired } from '../base/credential-files.ts';
import { ConfigError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Config } from '../config/config-schema.ts';
import type { SecurityState } from '../metadata/security-state.ts';
import { workInTurns } from '../protocol/records/event-loop-slices.ts';
import type { BanExclusion } from '../security/abuse/bans.ts';
import type { RevocationCheck } from '../security/admission.ts';
import type { PasswordWork } from '../security/sasl/password-work.ts';
import type { TokenLogins } from '../security/sasl/scram-exchange.ts';
import type { TenantCaRegistry } from '../security/tenant-ca-registry.ts';
import { TokenKeys } from '../security/tokens/token-keys.ts';
import { tokenExclusion } from '../security/tokens/token-standing.ts';

const SECRET_KEY = 'delegation.token.secret.key.file';
/** Of the text in the file: `openssl rand -base64 32` writes 44. */
const SECRET_LENGTH_MIN = 32;

export interface TokenParts {
  readonly work: PasswordWork;
  readonly isRevoked: RevocationCheck;
  readonly registry: TenantCaRegistry;
}

/** Null where no secret is configured. */
export function enabledTokens(
  config: Config,
  state: SecurityState,
  { work, isRevoked, registry }: TokenParts,
): TokenLogins | null {
  const path = config[SECRET_KEY];
  if (path === null) return null;
  const secret = readRequired(path, `it is named by ${SECRET_KEY}`).trim();
  if (secret.length < SECRET_LENGTH_MIN) {
    throw new ConfigError(
      `${path}, named by ${SECRET_KEY}, holds fewer than ${SECRET_LENGTH_MIN} characters: ` +
        'write one with "openssl rand -base64 32"',
    );
  }
  if (!/(?:^|,) ?SCRAM-/.test(config['sasl.enabled.mechanisms'] ?? '')) {
    throw new ConfigError(
      `${SECRET_KEY} is set, but delegation tokens log in by SCRAM, which is not enabled: add ` +
        'SCRAM-SHA-512 to sasl.enabled.mechanisms, or leave the file out',
    );
  }
  return {
    keys: new TokenKeys(Buffer.from(secret), work),
    find({ tenant, user }) {
      const known = state.image.tenants.get(tenant);
      if (known?.state !== 'active') return undefined;
      const token = known.delegationTokens.get(user);
      const { revocations } = known;
      const nowMs = systemClock.nowMs();
      const banOf = (name: string): BanExclusion | null =>
        state.image.bans.ofPrincipal(tenant, name, nowMs);
      const now = { tenant, nowMs, revocations, banOf, isRevoked, registry };
      return token !== undefined && tokenExclusion(token, now) === null ? token : undefined;
    },
  };
}

export interface TokenSweepParts {
  readonly clock: Clock;
  readonly intervalMs: number;
  readonly audit: AuditLog;
  readonly logger: Logger;
}

/** Removes tokens that have expired, now and from time to time. */
export class TokenSweep {
  readonly #state: SecurityState;
  readonly #parts: TokenSweepParts;
  #timer: Timer | null = null;
  #isStopped = false;
  #round: Promise<void> = Promise.resolve();

  constructor(state: SecurityState, parts: TokenSweepParts) {
    this.#state = state;
    this.#parts = parts;
  }

  start(): void {
    const { clock, intervalMs } = this.#parts;
    this.#round = this.#sweep().finally(() => {
      if (!this.#isStopped) this.#timer = clock.setTimer(intervalMs, () => this.start());
    });
  }

  /** Resolves when the change that was begun is made. */
  stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    return this.#round;
  }

  async #sweep(): Promise<void> {
    const { clock, logger } = this.#parts;
    try {
      const tenants = await workInTurns(clock, this.#tenantsWithExpired());
      for (const [tenant, count] of tenants) {
        if (this.#isStopped) return;
        await this.#remove(tenant, count);
      }
    } catch (err) {
      // They let nobody in any more; the next round tries again.
      logger.error({ err }, 'expired delegation tokens could not be removed');
    }
  }

  *#tenantsWithExpired(): Generator<void, [string, number][]> {
    const found: [string, number][] = [];
    for (const [tenant, { delegationTokens }] of this.#state.image.tenants) {
      const count = delegationTokens.expired(this.#parts.clock.nowMs()).length;
      if (count > 0) found.push([tenant, count]);
      yield;
    }
    return found;
  }

  async #remove(tenant: string, count: number): Promise<void> {
    const { audit } = this.#parts;
    audit.security(null, {
      type: 'administration',
      outcome: 'success',
      reason: 'delegation-tokens-expired',
      facts: { tenant, count },
    });
    await audit.durable();
    await this.#state.changeDelegationTokens(tenant, (now, nowMs) => ({
      set: [],
      removed: now.expired(nowMs),
    }));
  }
}
