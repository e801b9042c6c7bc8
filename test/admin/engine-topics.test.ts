import { afterEach, expect, it } from 'vitest';
import { EngineTopics } from '../../src/admin/engine-topics.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { systemRandom } from '../../src/base/random.ts';
import { DEFAULT_CONTROLLER_SETTINGS } from '../../src/engine/embedded/controller/controller-settings.ts';
import { EmbeddedEngine } from '../../src/engine/embedded/embedded-engine.ts';
import { TenantNamespace } from '../../src/tenancy/tenant-namespace.ts';
import { PowerCutFileSystem, seededRandom } from '../crash/power-cut-file-system.ts';

let engine: EmbeddedEngine | undefined;

afterEach(() => engine?.close());

it('describes all partitions of a topic that is larger than one page of the engine', async () => {
  engine = await EmbeddedEngine.open({
    directory: '/data',
    fileSystem: new PowerCutFileSystem(seededRandom(1)),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    controller: DEFAULT_CONTROLLER_SETTINGS,
    log: {},
    produce: { maxBatchBytes: 1 << 20, maxInflatedBytes: 1 << 20 },
  });
  const view = new TenantNamespace(engine, 'acme');
  const topics = new EngineTopics(() => view);
  await topics.create('acme', { name: 'large', partitions: 4100, configs: new Map() });
  const { partitions, partitionStates } = await topics.describe('acme', 'large');
  expect(partitions).toBe(4100);
  expect(partitionStates.map(({ partition }) => partition)).toEqual([...Array(4100).keys()]);
});
