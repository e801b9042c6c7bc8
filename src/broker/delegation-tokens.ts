/**
 * Delegation tokens as the configuration has them: served where the operator names a file with a
 * secret, from which the HMACs are made, and answered with DELEGATION_TOKEN_AUTH_DISABLED elsewhere.
 * Invariant: a secret that is too short to be one stops the start; it is in no log.
 */
import type { AuditLog } from '../audit/audit-log.ts';
import { type Clock, systemClock, type Timer } from '../base/clock.ts';
import { readRequired } from '../base/credential-files.ts';
import { ConfigError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Config } from '../config/config-schema.ts';
import type { SecurityState } from '../metadata/security-state.ts';
import type { RevocationCheck } from '../security/admission.ts';
import type { PasswordWork } from '../security/sasl/password-work.ts';
import type { TokenLogins } from '../security/sasl/scram-exchange.ts';
import { TokenKeys } from '../security/tokens/token-keys.ts';
import { tokenExclusion } from '../security/tokens/token-standing.ts';

const SECRET_KEY = 'delegation.token.secret.key.file';
/** Of the text in the file: `openssl rand -base64 32` writes 44. */
const SECRET_LENGTH_MIN = 32;

/** Null where no secret is configured. */
export function enabledTokens(
  config: Config,
  state: SecurityState,
  parts: { readonly work: PasswordWork; readonly isRevoked: RevocationCheck },
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
  return {
    keys: new TokenKeys(Buffer.from(secret), parts.work),
    find({ tenant, user }) {
      const known = state.image.tenants.get(tenant);
      if (known?.state !== 'active') return undefined;
      const token = known.delegationTokens.get(user);
      const { isRevoked } = parts;
      const now = { nowMs: systemClock.nowMs(), revocations: known.revocations, isRevoked };
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

  constructor(state: SecurityState, parts: TokenSweepParts) {
    this.#state = state;
    this.#parts = parts;
  }

  start(): void {
    void this.#round();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  async #round(): Promise<void> {
    const { clock, intervalMs, logger } = this.#parts;
    try {
      for (const tenant of this.#state.image.tenants.keys()) {
        if (this.#isStopped) return;
        await this.#sweep(tenant);
      }
    } catch (err) {
      // They let nobody in any more; the next round tries again.
      logger.error({ err }, 'expired delegation tokens could not be removed');
    }
    if (!this.#isStopped) this.#timer = clock.setTimer(intervalMs, () => void this.#round());
  }

  async #sweep(tenant: string): Promise<void> {
    const { clock, audit } = this.#parts;
    const tokens = this.#state.image.tenants.get(tenant)?.delegationTokens;
    const count = tokens?.expired(clock.nowMs()).length ?? 0;
    if (count === 0) return;
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
