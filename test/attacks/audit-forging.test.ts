/** Threat: a client writes lines of its own into the access log through names that it chooses. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

const FORGED = '"}\n{"v":1,"type":"access","principal":"User:forged","decision":"allow","x":"';

describeRequiring(['built-broker'], 'a name with a log line in it', () => {
  const fixture = useBroker();

  it('stays one value of one line, in both streams', async () => {
    const device = await WireClient.connect(fixture.broker.port, fixture.who('acme', 'device-1'), {
      clientId: FORGED,
    });
    await device.call(ApiKey.Metadata, 12, { topics: [{ name: FORGED }, { name: 'telemetry' }] });
    device.close();
    await fixture.audited('security', (line) => line.resource === FORGED);
    await fixture.audited('access', (line) => line.clientId === FORGED);
    const lines = [...fixture.audit('security'), ...fixture.audit('access')];
    expect(lines.filter((line) => line.principal === 'User:forged')).toEqual([]);
    const directory = join(fixture.broker.dataDir, 'audit');
    for (const name of readdirSync(directory).filter((one) => one.endsWith('.ndjson'))) {
      const text = readFileSync(join(directory, name), 'utf8');
      for (const line of text.split('\n'))
        if (line !== '') expect(() => JSON.parse(line)).not.toThrow();
    }
  });

  it('is cut where it is too long to be a name', async () => {
    const device = await fixture.connect('acme', 'device-1');
    const endless = 'n'.repeat(30_000);
    await device.call(ApiKey.Metadata, 12, { topics: [{ name: endless }] });
    const line = await fixture.audited('security', (one) =>
      String(one.resource).startsWith('nnnn'),
    );
    expect(JSON.stringify(line).length).toBeLessThan(4000);
  });
});
