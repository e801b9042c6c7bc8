/** The same storm for half an hour, or for BREAKWATER_STORM_MINUTES (at most 50). */
import { it } from 'vitest';
import { useBroker } from '../tools/broker-fixture.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { weatherStorm } from './groups-storm.ts';

const minutes = Math.min(50, Number(process.env.BREAKWATER_STORM_MINUTES ?? 30));

describeRequiring(['built-broker'], 'a long storm of members', () => {
  const fixture = useBroker();

  it('loses nothing, shares nothing, and settles', () => weatherStorm(fixture, minutes * 60_000));
});
