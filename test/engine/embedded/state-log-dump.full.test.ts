import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { nodeFileSystem } from '../../../src/base/file-system.ts';
import { openStateLog } from '../../../src/engine/embedded/state-log.ts';
import { kafkaCli } from '../../tools/java.ts';
import { removeDirectory, temporaryDirectory } from '../../tools/temporary-directory.ts';
import { describeRequiring } from '../../tools/tool-detection.ts';

describeRequiring(['java-tools'], "a state log under Kafka's own tool", () => {
  test('kafka-dump-log reads its segment and its snapshot', async () => {
    const directory = temporaryDirectory('state-log-dump');
    try {
      const options = { files: nodeFileSystem, clock: systemClock, directory, name: 'test' };
      const log = await openStateLog(options);
      const record = (n: number) => ({ type: 'number', version: 1, data: { n } });
      await log.append([record(1), record(2)]);
      await log.snapshot([record(1), record(2)]);
      await log.append([record(3)]);
      await log.append([record(4), record(5)]);
      await log.close();
      const folder = join(directory, '__test-0');
      const read = async (ending: string): Promise<string> => {
        const name = readdirSync(folder).find((found) => found.endsWith(ending))!;
        const files = ['--print-data-log', '--deep-iteration', '--files', join(folder, name)];
        const dump = await kafkaCli('kafka-dump-log', files);
        expect(dump.code, dump.text).toBe(0);
        expect(dump.text).not.toMatch(/isvalid: false|corrupt/i);
        return dump.text;
      };
      const segment = await read('.log');
      expect(segment).toMatch(/offset: 2 .*key: number\/1 payload: \{"n":3\}/);
      expect(segment).toMatch(/offset: 4 .*key: number\/1 payload: \{"n":5\}/);
      const snapshot = await read('.checkpoint');
      expect(snapshot).toMatch(/offset: 1 .*key: number\/1 payload: \{"n":2\}/);
      expect(snapshot).toMatch(/offset: 2 .*key: snapshot-end\/1 payload: .*"records":2/);
    } finally {
      removeDirectory(directory);
    }
  });
});
