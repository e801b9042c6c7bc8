/**
 * strace shows that an fdatasync of the log file precedes each acks=all answer on the socket; and,
 * as the control, that the same look finds acks=1 answers that did not wait for one.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BrokerUnderTest, startBrokerUnderTest } from '../tools/broker-under-test.ts';
import { awaitExit, spawnReaped } from '../tools/child-process.ts';
import { type SyncTraceSummary, summariseSyncTrace, tracedCalls } from '../tools/sync-trace.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { kafkajsClient } from '../tools/topics.ts';

const sends = 200;

/** Traces a running process until the returned function is called, which resolves to the trace. */
const attachStrace = async (pid: number, file: string): Promise<() => Promise<string>> => {
  const options = ['-f', '-yy', '-s', '0', '-e', `trace=${tracedCalls}`];
  const strace = spawnReaped('strace', [...options, '-o', file, '-p', String(pid)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  strace.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString('utf8');
  });
  await expect.poll(() => said, { timeout: 10_000 }).toContain(' attached');
  return async () => {
    strace.kill('SIGINT'); // detaches; the broker goes on
    await awaitExit(strace, 10_000);
    return readFileSync(file, 'utf8');
  };
};

describeRequiring(['built-broker', 'strace'], 'strace of the broker', () => {
  let broker: BrokerUnderTest;
  beforeAll(async () => {
    broker = await startBrokerUnderTest();
  });
  afterAll(() => broker?.dispose());

  /** Sends one record after the other, each when the last is acknowledged, under strace. */
  const traced = async (acks: number): Promise<SyncTraceSummary> => {
    const producer = kafkajsClient(broker, 'device-1').producer();
    await producer.connect();
    const send = (value: string) =>
      producer.send({ topic: 'telemetry', acks, messages: [{ value, partition: 2 }] });
    await send('the first one opens files and fetches metadata');
    const detach = await attachStrace(broker.pid, join(broker.workDir, `trace-${acks}`));
    for (let index = 0; index < sends; index += 1) await send(`value ${index}`);
    const trace = await detach();
    await producer.disconnect();
    return summariseSyncTrace(trace, broker.port);
  };

  test('acks=all: each answer comes after the sync of what it answers', async () => {
    const summary = await traced(-1);
    expect(summary.unsyncedAnswers.slice(0, 3)).toEqual([]);
    expect(summary.appends).toBeGreaterThanOrEqual(sends);
    expect(summary.syncs).toBeGreaterThanOrEqual(sends);
    expect(summary.answers).toBeGreaterThanOrEqual(sends);
  });

  test('the control: acks=1 answers do not wait', async () => {
    const summary = await traced(1);
    expect(summary.appends).toBeGreaterThanOrEqual(sends);
    expect(summary.unsyncedAnswers.length).toBeGreaterThan(0);
  });
});
