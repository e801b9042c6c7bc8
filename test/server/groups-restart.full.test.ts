/** Groups and the ends of a broker: what is parked, what is kept, what kcat notices. */
import { afterEach, expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { type BrokerProcess, startBroker } from '../tools/broker-process.ts';
import { clientIdentity } from '../tools/client-identity.ts';
import { commitOffset, committedOffsets, formGroup, joinRequest } from '../tools/group-member.ts';
import { kcat } from '../tools/kcat.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

const { NONE, NOT_COORDINATOR } = ErrorCode;
const TIMEOUT_MS = 60_000;

interface Place {
  readonly dataDir: string;
  readonly certsDir: string;
}

describeRequiring(['built-broker'], 'groups when the broker ends', () => {
  const directories: string[] = [];
  let broker: BrokerProcess | undefined;

  afterEach(async () => {
    await broker?.dispose();
    broker = undefined;
    for (const directory of directories.splice(0)) removeDirectory(directory);
  });

  function newPlace(): Place {
    const place = { dataDir: temporaryDirectory('groups'), certsDir: temporaryDirectory('certs') };
    directories.push(place.dataDir, place.certsDir);
    return place;
  }

  async function start(place: Place, delayMs = 0): Promise<BrokerProcess> {
    const ports = broker === undefined ? {} : { port: broker.port, adminPort: broker.adminPort };
    const env = { BREAKWATER_GROUP_INITIAL_REBALANCE_DELAY_MS: String(delayMs) };
    broker = await startBroker({ ...place, ...ports, env });
    return broker;
  }

  const identity = (place: Place) => clientIdentity(place.certsDir, 'acme', 'service-1');
  const connect = (to: BrokerProcess, place: Place): Promise<WireClient> =>
    WireClient.connect(to.port, identity(place));

  it(
    'a graceful end does not wait for parked JoinGroups, and answers them',
    async () => {
      const place = newPlace();
      const running = await start(place, 60_000);
      const client = await connect(running, place);
      const joining = client.call(ApiKey.JoinGroup, 3, joinRequest('svc-parked'));
      const watcher = await connect(running, place);
      await expect
        .poll(async () => {
          const request = { groups: ['svc-parked'] };
          const { groups } = await watcher.call(ApiKey.DescribeGroups, 5, request);
          return groups[0]!.members.length;
        })
        .toBe(1);
      const begunMs = performance.now();
      const ending = running.stop();
      expect((await joining).errorCode).toBe(NOT_COORDINATOR);
      expect(await ending).toBe(0);
      expect(performance.now() - begunMs).toBeLessThan(5000);
    },
    TIMEOUT_MS,
  );

  it.each(['stop', 'kill9'] as const)(
    'after %s members go on in their generation, and offsets are as committed',
    async (how) => {
      const place = newPlace();
      const running = await start(place);
      const client = await connect(running, place);
      const { memberId, generationId } = await formGroup(client, 'svc-stays');
      await commitOffset(client, 'svc-simple', 17);
      client.close();
      await running[how]();
      const again = await connect(await start(place), place);
      const membership = { groupId: 'svc-stays', generationId, memberId };
      expect((await again.call(ApiKey.Heartbeat, 4, membership)).errorCode).toBe(NONE);
      const synced = await again.call(ApiKey.SyncGroup, 3, { ...membership, assignments: [] });
      expect(synced.assignment.toString()).toBe('everything');
      expect(await committedOffsets(again, 'svc-simple')).toEqual({ 'telemetry-0': 17 });
      again.close();
    },
    TIMEOUT_MS,
  );
});

describeRequiring(['built-broker', 'kcat'], 'kcat -G when the broker ends', () => {
  it(
    'reads what it has not committed, after a kill as well',
    async () => {
      const place = {
        dataDir: temporaryDirectory('groups-kcat'),
        certsDir: temporaryDirectory('certs-kcat'),
      };
      const env = { BREAKWATER_GROUP_INITIAL_REBALANCE_DELAY_MS: '0' };
      let running = await startBroker({ ...place, env });
      try {
        const identity = clientIdentity(place.certsDir, 'acme', 'service-1');
        const run = (args: string[], input = '') =>
          kcat(identity, running.bootstrap, args, { input });
        const lines = (from: number, count: number): string =>
          Array.from({ length: count }, (_, n) => `${from + n}\n`).join('');
        const read = async (): Promise<number[]> => {
          const consume = ['-G', 'svc-x', '-q', '-e', '-X', 'auto.offset.reset=earliest'];
          const result = await run([...consume, 'telemetry']);
          expect(result.code, result.stderr).toBe(0);
          const text = result.stdout.toString().trim();
          return text === ''
            ? []
            : text
                .split('\n')
                .map(Number)
                .sort((a, b) => a - b);
        };
        const numbers = (from: number, count: number): number[] =>
          Array.from({ length: count }, (_, n) => from + n);

        await run(['-P', '-t', 'telemetry'], lines(0, 500));
        expect(await read()).toEqual(numbers(0, 500));
        await run(['-P', '-t', 'telemetry'], lines(500, 20));
        await running.kill9();
        running = await startBroker({ ...place, port: running.port, env });
        expect(await read()).toEqual(numbers(500, 20));
        expect(await read()).toEqual([]);
        const refused = await run(['-G', 'other', '-q', '-e', 'telemetry']);
        expect(refused.stderr).toContain('Group authorization failed');
      } finally {
        await running.dispose();
        removeDirectory(place.dataDir);
        removeDirectory(place.certsDir);
      }
    },
    TIMEOUT_MS,
  );
});
