/**
 * A rule is on stable storage, and in the audit log, before its answer: `kill -9` right after each
 * answer, and the next life of the broker has every rule that was created and none that was deleted.
 * (What a power cut leaves of the same log is shown in metadata-security.test.ts.)
 */
import { afterAll, expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { aclFilter, creation, describedBy, WIRE } from '../tools/acls.ts';
import { type BrokerProcess, startBroker } from '../tools/broker-process.ts';
import { clientIdentity } from '../tools/client-identity.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

const LIVES = 2;

describeRequiring(['built-broker'], 'rules and kill -9', () => {
  const [dataDir, certsDir] = [temporaryDirectory('acl-data'), temporaryDirectory('acl-certs')];
  let broker: BrokerProcess | undefined;
  afterAll(async () => {
    await broker?.dispose();
    for (const directory of [dataDir, certsDir]) removeDirectory(directory);
  });

  it('survive it exactly as they were answered', async () => {
    const held = new Set<string>();
    const ofLife = (life: number) =>
      Array.from({ length: 300 }, (_, n) =>
        creation({
          resourceName: `life-${life}-${n}`,
          principal: 'User:lasting',
          permissionType: n % 2 === 0 ? WIRE.DENY : WIRE.ALLOW,
        }),
      );
    for (let life = 0; life <= LIVES; life += 1) {
      broker = await startBroker({ dataDir, certsDir });
      const identity = clientIdentity(certsDir, 'acme', 'admin-1');
      const client = await WireClient.connect(broker.port, identity);
      const found = await describedBy(client, { principalFilter: 'User:lasting' });
      expect(new Set(found.map(({ resourceName }) => resourceName))).toEqual(held);
      if (life === LIVES) break;
      const creations = ofLife(life);
      const created = await client.call(ApiKey.CreateAcls, 3, { creations });
      expect(created.results.every(({ errorCode }) => errorCode === 0)).toBe(true);
      for (const { resourceName } of creations) held.add(resourceName);
      if (life % 2 === 1) {
        const gone = ofLife(life - 1).map(({ resourceName }) => resourceName);
        const filters = gone.map((name) => aclFilter({ resourceNameFilter: name }));
        const deleted = await client.call(ApiKey.DeleteAcls, 3, { filters });
        expect(deleted.filterResults.every(({ matchingAcls }) => matchingAcls.length === 1)).toBe(
          true,
        );
        for (const name of gone) held.delete(name);
      }
      await broker.kill9();
      client.close();
    }
    expect(held.size).toBe(300);
  });
});
