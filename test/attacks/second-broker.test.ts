/** Threat: two brokers write one data folder. */
import { expect, it } from 'vitest';
import { useBroker } from '../tools/broker-fixture.ts';
import { startBroker } from '../tools/broker-process.ts';
import { describeRequiring } from '../tools/tool-detection.ts';

describeRequiring(['built-broker'], 'a second broker on the same data folder', () => {
  const fixture = useBroker();

  it('refuses to start, with a sentence that says why', async () => {
    const { dataDir, certsDir } = fixture.broker;
    await expect(startBroker({ dataDir, certsDir })).rejects.toThrow(/another broker/i);
    expect((await fixture.connect('acme', 'device-1')).socket.destroyed).toBe(false);
  });

  it('starts once the first was killed', async () => {
    const { dataDir, certsDir } = fixture.broker;
    await fixture.broker.kill9();
    const second = await startBroker({ dataDir, certsDir });
    expect(second.readyLine).toMatch(/^ready/);
    expect(await second.stop()).toBe(0);
  });
});
