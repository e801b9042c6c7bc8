import { describe, expect, it } from 'vitest';
import type { AuditSubject, SecurityEvent } from '../../src/audit/audit-event.ts';
import type { AuditLog } from '../../src/audit/audit-log.ts';
import { MeasuredAuditLog } from '../../src/audit/measured-audit-log.ts';
import { MetricRegistry } from '../../src/base/metrics.ts';
import { handClock } from '../tools/hand-clock.ts';
import { parseMetrics } from '../tools/scrape.ts';

function scene() {
  const told: SecurityEvent[] = [];
  const clock = handClock();
  const state = { healthy: true, pending: false };
  let finish = (_error?: Error): void => {};
  const log: AuditLog = {
    get healthy() {
      return state.healthy;
    },
    get healthyForOperators() {
      return state.healthy;
    },
    get pending() {
      return state.pending;
    },
    accepts: () => true,
    access: () => {},
    security: (_subject, event) => void told.push(event),
    durable: () =>
      new Promise((resolve, reject) => {
        finish = (error) => (error === undefined ? resolve() : reject(error));
      }),
    durableForOperators: () => log.durable(),
    close: async () => {},
  };
  const registry = new MetricRegistry();
  const measured = new MeasuredAuditLog(log, registry, clock);
  return {
    told,
    clock,
    state,
    measured,
    finish: (error?: Error) => finish(error),
    tell: (listener: AuditSubject['listener'], event: SecurityEvent) =>
      measured.security({ listener } as AuditSubject, event),
    /** The series of a name with their values, but for those that are 0. */
    async series(name: string): Promise<string[]> {
      return parseMetrics(await registry.render())
        .filter((one) => one.name === `breakwater_${name}` && one.value !== 0)
        .map(({ labels, value }) => `${Object.values(labels).join(' ')}: ${value}`);
    },
  };
}

const failed = (reason: string, facts = {}): SecurityEvent => ({
  type: 'authentication',
  outcome: 'failure',
  reason,
  facts,
});
const succeeded = (reason: string): SecurityEvent => ({
  type: 'authentication',
  outcome: 'success',
  reason,
});

describe('the audit log with its figures', () => {
  it('passes on everything, and says of itself what the log says', () => {
    const { measured, state, told, tell } = scene();
    tell('mtls', failed('expired'));
    measured.security(null, { type: 'server', outcome: 'success', reason: 'started' });
    expect(told.map(({ reason }) => reason)).toEqual(['expired', 'started']);
    expect([measured.healthy, measured.pending]).toEqual([true, false]);
    Object.assign(state, { healthy: false, pending: true });
    expect([measured.healthy, measured.pending]).toEqual([false, true]);
  });

  it('counts authentications by method and outcome', async () => {
    const { tell, series } = scene();
    tell('mtls', succeeded('mutual-tls'));
    tell('mtls', failed('expired'));
    tell('sasl', succeeded('SCRAM-SHA-256'));
    tell('sasl', succeeded('SCRAM-SHA-256 renewed'));
    tell('sasl', failed('bad_credentials', { mechanism: 'PLAIN' }));
    tell('sasl', failed('sasl_state'));
    tell('admin', failed('no-credentials'));
    expect(await series('authentications_total')).toEqual([
      'mtls mutual-tls success: 1',
      'mtls mutual-tls failure: 1',
      'sasl SCRAM-SHA-256 success: 2',
      'sasl PLAIN failure: 1',
      'sasl none failure: 1',
      'admin operator failure: 1',
    ]);
  });

  it('counts a failed handshake as a failure, and as no authentication', async () => {
    const { tell, series } = scene();
    tell('mtls', failed('handshake-timeout'));
    expect(await series('authentications_total')).toEqual([]);
    expect(await series('authentication_failures_total')).toEqual(['mtls handshake-timeout: 1']);
  });

  it('counts connections that are turned away and frames that are broken', async () => {
    const { tell, series } = scene();
    tell('sasl', { type: 'connection', outcome: 'failure', reason: 'max-connections' });
    tell('mtls', { type: 'protocol', outcome: 'failure', reason: 'protocol-error' });
    expect(await series('connections_refused_total')).toEqual(['sasl max-connections: 1']);
    expect(await series('protocol_errors_total')).toEqual(['mtls: 1']);
  });

  it('makes no series of what is no code, nor of more than a hundred codes', async () => {
    const { tell, series } = scene();
    tell('mtls', failed('a sentence, "quoted"'));
    for (let code = 0; code < 150; code++) tell('mtls', failed(`code-${code}`));
    const told = await series('authentication_failures_total');
    expect(told).toHaveLength(101);
    expect(told).toContain('mtls other: 51');
  });

  it('measures how long the disk was waited for, whether it came or failed', async () => {
    const { measured, clock, state, finish, series } = scene();
    state.pending = true;
    for (const [waitMs, error] of [
      [200, undefined],
      [3_000, new Error('full')],
    ] as const) {
      const durable = measured.durable();
      clock.pass(waitMs);
      finish(error);
      if (error === undefined) await durable;
      else await expect(durable).rejects.toThrow('full');
    }
    expect(await series('audit_wait_seconds_count')).toEqual([': 2']);
    expect(await series('audit_wait_seconds_sum')).toEqual([': 3.2']);
  });
});
