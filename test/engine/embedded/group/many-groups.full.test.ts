/** 100,000 groups: how long a coordinator takes to load them, and what they cost in memory. */
import { expect, it } from 'vitest';
import { systemClock } from '../../../../src/base/clock.ts';
import { makeDirectoriesSync, nodeFileSystem } from '../../../../src/base/file-system.ts';
import { silentLogger } from '../../../../src/base/logger.ts';
import { systemRandom } from '../../../../src/base/random.ts';
import { GroupCoordinator } from '../../../../src/engine/embedded/group/group-coordinator.ts';
import { GroupLogs } from '../../../../src/engine/embedded/group/group-logs.ts';
import {
  groupRecord,
  NO_EXPIRY,
  offsetRecord,
} from '../../../../src/engine/embedded/group/group-records.ts';
import { DEFAULT_GROUP_SETTINGS } from '../../../../src/engine/embedded/group/group-settings.ts';
import type { NewRecord } from '../../../../src/protocol/records/record.ts';
import { removeDirectory, temporaryDirectory } from '../../../tools/temporary-directory.ts';

const GROUPS = 100_000;
const PARTITIONS = 6;
/** One group in so many has members when the broker ends. */
const LIVE_EVERY = 10;
const TOPIC = { name: 'acme.telemetry', topicId: 'A'.repeat(21).concat('g'), partitionCount: 6 };

/** What a group leaves in the log: itself, and twice its offsets. */
function recordsOf(group: string, isLive: boolean): NewRecord[] {
  const nowMs = systemClock.nowMs();
  const facts = {
    groupInstanceId: null,
    clientId: 'client',
    clientHost: '/10.0.0.1',
    sessionTimeoutMs: 1_800_000,
    rebalanceTimeoutMs: 60_000,
    protocols: [{ name: 'range', metadata: Buffer.alloc(40) }],
  };
  const members = isLive
    ? [0, 1].map((n) => ({ memberId: `m${n}`, assignment: Buffer.alloc(60), ...facts }))
    : [];
  const snapshot = {
    protocolType: 'consumer',
    generation: 3,
    protocolName: isLive ? 'range' : null,
    leader: isLive ? 'm0' : null,
    members,
  };
  const records = [groupRecord(group, snapshot, nowMs)];
  for (let n = 0; n < 2 * PARTITIONS; n++) {
    const name = { group, topic: TOPIC.name, partition: n % PARTITIONS };
    records.push(
      offsetRecord(name, {
        offset: n,
        leaderEpoch: 0,
        metadata: '',
        commitTimestampMs: nowMs,
        expireTimestampMs: NO_EXPIRY,
        topicId: TOPIC.topicId,
      }),
    );
  }
  return records;
}

it('loads in seconds', async () => {
  const root = temporaryDirectory('many-groups');
  try {
    const directory = `${root}/metadata`;
    makeDirectoriesSync(nodeFileSystem, directory);
    const options = { files: nodeFileSystem, directory, logger: silentLogger };
    const ignore = { group: () => undefined, offset: () => undefined };
    const logs = await GroupLogs.open(options, ignore);
    for (let n = 0; n < GROUPS; n += 1000) {
      const slice = Array.from({ length: 1000 }, (_, m) => n + m);
      await Promise.all(
        slice.map(
          (number) =>
            new Promise<void>((resolve, reject) => {
              const group = `acme.group-${number}`;
              logs.append(group, recordsOf(group, number % LIVE_EVERY === 0), (outcome) => {
                if (outcome === 'durable') resolve();
                else reject(new Error(outcome));
              });
            }),
        ),
      );
    }
    await logs.close();

    const heapBefore = process.memoryUsage().heapUsed;
    const begunMs = performance.now();
    const coordinator = await GroupCoordinator.open({
      ...options,
      clock: systemClock,
      random: systemRandom,
      settings: DEFAULT_GROUP_SETTINGS,
      topicByName: () => TOPIC,
    });
    const loadedMs = Math.round(performance.now() - begunMs);
    const heapMiB = Math.round((process.memoryUsage().heapUsed - heapBefore) / 2 ** 20);
    console.log(`${GROUPS} groups loaded in ${loadedMs} ms, heap grew by ${heapMiB} MiB`);
    expect(loadedMs).toBeLessThan(10_000);

    const listBegunMs = performance.now();
    const { groups } = await coordinator.listGroups('acme', { statesFilter: [], typesFilter: [] });
    console.log(`listed in ${Math.round(performance.now() - listBegunMs)} ms`);
    expect(groups).toHaveLength(GROUPS);
    const fetched = await coordinator.offsetFetch({
      groupId: '',
      topics: [],
      groups: [{ groupId: 'acme.group-77', memberId: null, memberEpoch: -1, topics: null }],
      requireStable: false,
    });
    const offsets = fetched.groups[0]!.topics[0]!.partitions.map((one) => one.committedOffset);
    expect(offsets).toEqual([6, 7, 8, 9, 10, 11]);
    await coordinator.close();
  } finally {
    removeDirectory(root);
  }
});
