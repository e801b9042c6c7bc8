/**
 * Threat: a tenant's administrator asks for so many changes at once that their records, which are
 * never dropped, overflow the queue of the audit log, and nobody of any tenant is served.
 */
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { describeRequiring } from '../tools/tool-detection.ts';

const CONNECTIONS = 4;
const CHANGES_EACH = 5_000;

describeRequiring(['built-broker'], 'changes without end', () => {
  // Half of what the records of all of them take.
  const queueBytes = String(4 * 1024 * 1024);
  const fixture = useBroker({ env: { BREAKWATER_AUDIT_QUEUE_MAX_BYTES: queueBytes } });

  it('are recorded one and all, and a neighbour is served throughout', async () => {
    const neighbour = await fixture.connect('globex', 'device-1');
    const clients = await Promise.all(
      Array.from({ length: CONNECTIONS }, () => fixture.connect('acme', 'admin-1')),
    );
    let isDone = false;
    const served = new Set<number>();
    const watch = (async () => {
      while (!isDone) {
        const topics = [{ name: 'telemetry' }];
        const answer = await neighbour.call(ApiKey.Metadata, 12, { topics });
        served.add(answer.topics[0]!.errorCode);
      }
    })();
    const answers = await Promise.all(
      clients.map((client, k) =>
        client.call(ApiKey.CreateTopics, 7, {
          // No such name is possible: nothing comes of it but the record that it was asked for.
          topics: Array.from({ length: CHANGES_EACH }, (_, n) => ({
            name: `${k}/${n}`,
            numPartitions: 1,
            replicationFactor: 1,
          })),
          timeoutMs: 1000,
        }),
      ),
    );
    isDone = true;
    await watch;
    expect([...served]).toEqual([0]);
    const codes = new Set(answers.flatMap(({ topics }) => topics.map((one) => one.errorCode)));
    expect([...codes]).toEqual([ErrorCode.INVALID_TOPIC_EXCEPTION]);
    const lines = fixture.audit('security');
    expect(lines.filter(({ reason }) => reason === 'audit-lines-lost')).toEqual([]);
    expect(lines.filter(({ reason }) => reason === 'topic-create')).toHaveLength(
      CONNECTIONS * CHANGES_EACH,
    );
  });
});
