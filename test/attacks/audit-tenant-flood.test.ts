/**
 * Threat: the holder of a tenant's CA makes principals without end, each with a budget of refusals
 * of its own, until the queue of the audit log overflows and nobody of any tenant is served.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FileAuditLog, openFileAuditLog } from '../../src/audit/file-audit-log.ts';
import {
  type AuditFolder,
  auditFolder,
  denied,
  failure,
  ManualClock,
  subject,
} from '../audit/audit-fixture.ts';

const PRINCIPALS = 2_000;
const REFUSALS_EACH = 20;
/** As long as the log keeps them, six bytes for each character once they are escaped. */
const LONG = 'ü'.repeat(240);
const QUEUE_BYTES_MAX = 16 * 1024 * 1024;

let folder: AuditFolder;
let clock: ManualClock;
let log: FileAuditLog;
beforeEach(() => {
  folder = auditFolder();
  clock = new ManualClock();
  log = openFileAuditLog({ directory: folder.directory, clock, queueBytesMax: QUEUE_BYTES_MAX });
});
afterEach(async () => {
  await log.close();
  folder.close();
});

const minted = Array.from({ length: PRINCIPALS }, (_, n) =>
  subject({ principal: `User:minted-${n}`, connectionId: `c${n}` }),
);
const neighbour = subject({ tenant: 'globex', principal: 'User:ada', connectionId: 'ada' });

interface Line {
  readonly tenant?: string;
  readonly count?: number;
  readonly reason?: string;
}
const linesOf = (tenant: string): Line[] =>
  (folder.records('security') as Line[]).filter((line) => line.tenant === tenant);
const eventsIn = (lines: readonly Line[]): number =>
  lines.reduce((sum, { count }) => sum + (count ?? 1), 0);

/** Nothing of it gives the disk a chance between two refusals: the worst that a flood can be. */
function flood(refusalsEach: number, name: (principal: number, at: number) => string): void {
  for (const [principal, who] of minted.entries()) {
    for (let at = 0; at < refusalsEach; at += 1) {
      log.access(who, denied({ resourceName: name(principal, at), clientId: LONG }));
    }
  }
}

describe('refusals of principals without end', () => {
  it('overflow nothing, are all counted, and leave a neighbour its own lines', async () => {
    flood(REFUSALS_EACH, (principal, at) => `${LONG}${principal}-${at}`);
    log.access(neighbour, denied({ resourceName: 'seen' }));
    expect(log.healthy).toBe(true);
    await log.durable();
    clock.advance(1_000);
    await log.close();
    const lines = linesOf('acme');
    expect(eventsIn(lines)).toBe(PRINCIPALS * REFUSALS_EACH);
    expect(lines.length).toBeLessThan(2_000 + 501);
    expect(linesOf('globex')).toMatchObject([{ resource: 'seen', decision: 'deny' }]);
    expect(folder.records('security').map((line) => line.reason)).not.toContain('audit-lines-lost');
  });

  it('repeated, so that every line would stand for two, overflow nothing either', async () => {
    for (let round = 0; round < 2; round += 1) flood(10, (_, at) => `${LONG}${at}`);
    for (let turn = 0; turn < 100; turn += 1) clock.advance(100);
    expect(log.healthy).toBe(true);
    log.access(neighbour, denied({ resourceName: 'seen' }));
    await log.close();
    expect(eventsIn(linesOf('acme'))).toBe(PRINCIPALS * 20);
    expect(linesOf('globex')).toMatchObject([{ resource: 'seen' }]);
  });

  it('of broken frames are bounded for the tenant, and counted', async () => {
    for (const who of minted) {
      for (let at = 0; at < 20; at += 1) {
        log.security(who, failure({ type: 'protocol', reason: `protocol-error` }));
      }
    }
    log.security(neighbour, failure({ type: 'protocol', reason: 'protocol-error' }));
    expect(log.healthy).toBe(true);
    await log.close();
    expect(eventsIn(linesOf('acme'))).toBe(PRINCIPALS * 20);
    expect(linesOf('acme').length).toBeLessThanOrEqual(500 + 501);
    expect(linesOf('globex')).toMatchObject([{ reason: 'protocol-error', principal: 'User:ada' }]);
  });

  it('take no bucket of another tenant: its sources stay told apart', async () => {
    for (let tenant = 0; tenant < 8; tenant += 1) {
      for (const { principal } of minted) {
        const who = subject({ tenant: `hostile-${tenant}`, principal });
        log.access(who, denied({ resourceName: `${principal}` }));
      }
    }
    for (let at = 0; at < 1_500; at += 1) log.access(neighbour, denied({ resourceName: `n${at}` }));
    await log.close();
    const lines = linesOf('globex');
    expect(eventsIn(lines)).toBe(1_500);
    expect(lines.at(-1)).toMatchObject({ principal: 'User:ada', reason: 'denied', count: 500 });
  });
});
