/** Threat: a client reads through the fetch session of somebody else. */
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { describeRequiring } from '../tools/tool-detection.ts';

const partition = { partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 };

describeRequiring(['built-broker'], 'a fetch session', () => {
  const fixture = useBroker();

  async function open() {
    const owner = await fixture.connect('acme', 'service-1');
    const { sessionId } = await owner.call(ApiKey.Fetch, 11, {
      sessionId: 0,
      sessionEpoch: 0,
      topics: [{ topic: 'telemetry', partitions: [partition] }],
    });
    expect(sessionId).toBeGreaterThan(0);
    return { owner, sessionId };
  }

  it.each([
    ['acme', 'device-1'],
    ['globex', 'service-1'],
  ])('is unknown to %s/%s', async (tenant, name) => {
    const { sessionId } = await open();
    const thief = await fixture.connect(tenant, name);
    const answer = await thief.call(ApiKey.Fetch, 11, { sessionId, sessionEpoch: 1 });
    expect(answer).toMatchObject({
      errorCode: ErrorCode.FETCH_SESSION_ID_NOT_FOUND,
      sessionId: 0,
      responses: [],
    });
  });

  it('cannot be closed by somebody else', async () => {
    const { owner, sessionId } = await open();
    const thief = await fixture.connect('globex', 'service-1');
    await thief.call(ApiKey.Fetch, 11, { sessionId, sessionEpoch: -1 });
    const answer = await owner.call(ApiKey.Fetch, 11, { sessionId, sessionEpoch: 1 });
    expect(answer).toMatchObject({ errorCode: ErrorCode.NONE, sessionId });
  });
});
