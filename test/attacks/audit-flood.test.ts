/** Threat: a flood of refusals buries the log, fills the memory, or stops the neighbours. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { describeRequiring } from '../tools/tool-detection.ts';

const REFUSALS = 20_000;
const NAMES_IN_A_REQUEST = 500;

describeRequiring(['built-broker'], 'a flood of refusals', () => {
  const fixture = useBroker();

  it('is counted, not written out, and a neighbour is served and recorded throughout', async () => {
    const device = await fixture.connect('acme', 'device-1');
    const flood = (async () => {
      for (let at = 0; at < REFUSALS; at += NAMES_IN_A_REQUEST) {
        const topics = Array.from({ length: NAMES_IN_A_REQUEST }, (_, i) => ({
          name: `f-${at + i}`,
        }));
        const answer = await device.call(ApiKey.Metadata, 12, { topics });
        expect(answer.topics[0]!.errorCode).toBe(ErrorCode.TOPIC_AUTHORIZATION_FAILED);
      }
    })();
    const neighbour = await fixture.connect('globex', 'device-1');
    await neighbour.call(ApiKey.Metadata, 12, { topics: [{ name: 'neighbour-refused' }] });
    await fixture.audited('security', (line) => line.resource === 'neighbour-refused');
    await flood;
    const directory = join(fixture.broker.dataDir, 'audit');
    const lines = fixture.audit('security').filter((line) => line.decision === 'deny');
    expect(lines.length).toBeLessThan(REFUSALS);
    expect(statSync(directory).isDirectory()).toBe(true);
  });
});
