import { describe, expect, it } from 'vitest';
import { RefusalPace } from '../../src/server/refusal-pace.ts';
import { ManualClock } from '../audit/audit-fixture.ts';

const PER_SECOND = 100;

describe('the pace of refusals', () => {
  const opened = () => {
    const clock = new ManualClock();
    return { clock, pace: new RefusalPace(clock, PER_SECOND) };
  };

  it("holds nobody up within a second's worth, and then for as long as it is exceeded", () => {
    const { pace } = opened();
    expect(pace.muteMs('acme', PER_SECOND)).toBe(0);
    expect(pace.muteMs('acme', 1)).toBe(10);
    expect(pace.muteMs('acme', 49)).toBe(500);
  });

  it("is a tenant's own", () => {
    const { pace } = opened();
    expect(pace.muteMs('acme', 10 * PER_SECOND)).toBe(5_000);
    expect(pace.muteMs('globex', PER_SECOND)).toBe(0);
  });

  it('is made up for by time, and never saved up', () => {
    const { clock, pace } = opened();
    pace.muteMs('acme', 3 * PER_SECOND);
    clock.advance(2_000);
    expect(pace.muteMs('acme', 0)).toBe(0);
    clock.advance(3_600_000);
    expect(pace.muteMs('acme', PER_SECOND)).toBe(0);
    expect(pace.muteMs('acme', 10)).toBe(100);
  });

  it('holds up for five seconds at the most', () => {
    const { pace } = opened();
    expect(pace.muteMs('acme', 1_000_000)).toBe(5_000);
  });
});
