/**
 * Real clients consume in groups over mutual TLS: members join and leave, the broker is restarted in
 * the middle, once as it should be and once by kill -9. Everything acknowledged is processed; what
 * was committed stays committed and never comes again.
 */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { groupClients } from '../tools/group-clients.ts';
import { GroupScene } from '../tools/group-scene.ts';
import { describeRequiring } from '../tools/tool-detection.ts';

let scene: GroupScene | undefined;
afterEach(async () => {
  await scene?.dispose();
  scene = undefined;
});

for (const client of groupClients) {
  describeRequiring(['built-broker', ...client.tools], `${client.name} in a group`, () => {
    it('loses nothing and repeats nothing that was committed', async () => {
      scene = new GroupScene();
      await scene.start();
      scene.produce();
      const first = await scene.join(client);
      await scene.join(client);
      await scene.progress();
      await scene.restart('stop');
      await scene.progress();
      await scene.join(client);
      await scene.progress();
      await scene.leave(client, first);
      await scene.progress();
      await scene.restart('kill9');
      await scene.progress();
      await scene.stopProducing();
      await scene.settled();
      await scene.allLeave();
      const { ledger } = scene;
      console.log(
        `${client.name}: ${ledger.acknowledgedCount} records, ${ledger.repeated} came again`,
      );
      expect(ledger.violations().slice(0, 10)).toEqual([]);
    });
  });
}

describeRequiring(['built-broker', 'kcat'], 'a broker that forgets what was committed', () => {
  it('is found out', async () => {
    const kcat = groupClients.find(({ tools }) => tools.includes('kcat'))!;
    scene = new GroupScene();
    await scene.start();
    scene.produce();
    await scene.join(kcat);
    await scene.progress();
    const metadata = join(scene.workDir, 'data', 'metadata');
    await scene.restart('kill9', () => {
      for (const name of readdirSync(metadata)) {
        if (name.startsWith('__consumer_offsets'))
          rmSync(join(metadata, name), { recursive: true });
      }
    });
    await scene.progress();
    await scene.stopProducing();
    await scene.settled();
    const violations = scene.ledger.violations().join('\n');
    expect(violations).toMatch(/^partition \d: \d+ was committed, now it is -1$/m);
    expect(violations).toMatch(/^partition \d offset \d+ came again, to member-1 after member-1/m);
  });
});
