import { expect, it } from 'vitest';
import type { AuditSubject } from '../../src/audit/audit-event.ts';
import { LimitAlarms } from '../../src/server/limit-alarms.ts';

const bite = { key: 'topics', scope: 'tenant', limit: 3, effect: 'refused' } as const;
const of = (tenant: string): AuditSubject => ({
  connectionId: 'c',
  listener: 'mtls',
  remoteAddress: '192.0.2.1',
  remotePort: 1,
  tenant,
  principal: 'User:ada',
  fleet: null,
  certificateSerial: null,
});

it('of a tenant that is gone are written to the end, and never to a later one of its name', () => {
  const written: unknown[] = [];
  const alarms = new LimitAlarms({
    security: (subject, { facts }) => written.push([subject?.tenant, facts?.count]),
  });
  for (const tenant of ['acme', 'acme', 'acme', 'globex']) alarms.bit(of(tenant), bite, 0);
  alarms.forget('acme');
  const told = [
    ['acme', 1],
    ['globex', 1],
    ['acme', 2],
  ];
  expect(written).toEqual(told);
  alarms.sweep(120_000);
  alarms.flush();
  expect(written).toEqual(told);
  // The later one's own is told at once, not counted with the old.
  alarms.bit(of('acme'), bite, 120_001);
  expect(written.at(-1)).toEqual(['acme', 1]);
});
