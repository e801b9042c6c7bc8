/** A group of 50 members through two minutes of storm. */
import { it } from 'vitest';
import { useBroker } from '../tools/broker-fixture.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { weatherStorm } from './groups-storm.ts';

describeRequiring(['built-broker'], 'a storm of members', () => {
  const fixture = useBroker();

  it('loses nothing, shares nothing, and settles', () => weatherStorm(fixture, 120_000));
});
