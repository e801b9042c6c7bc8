/** Threat: the disk fills up. A clear error, nothing acknowledged is lost, and work goes on when there is room again. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { SIGNING_KEY_PUBLIC_FILE } from '../../src/audit/signing-key.ts';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { buildRecordBatch } from '../../src/protocol/records/record-batch-builder.ts';
import { runCli } from '../cli/run-cli.ts';
import { type BrokerProcess, startBroker } from '../tools/broker-process.ts';
import { clientIdentity } from '../tools/client-identity.ts';
import { mountSmallDisk, type SmallDisk } from '../tools/small-disk.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

const VALUE_BYTES = 64 * 1024;

describeRequiring(['built-broker', 'tmpfs'], 'a full disk', () => {
  let disk: SmallDisk | undefined;
  let broker: BrokerProcess | undefined;
  let elsewhere = '';

  afterEach(async () => {
    await broker?.dispose();
    disk?.dispose();
    if (elsewhere !== '') removeDirectory(elsewhere);
    broker = undefined;
    disk = undefined;
    elsewhere = '';
  });

  const connect = (name = 'service-1'): Promise<WireClient> =>
    WireClient.connect(broker!.port, clientIdentity(broker!.certsDir, 'acme', name));

  async function produce(client: WireClient, number: number) {
    const value = Buffer.alloc(VALUE_BYTES, 'v');
    value.writeInt32BE(number, 0);
    const answer = await client.call(ApiKey.Produce, 9, {
      acks: -1,
      timeoutMs: 10_000,
      topicData: [
        {
          name: 'telemetry',
          partitionData: [
            {
              index: 0,
              records: buildRecordBatch([
                { timestampMs: Date.now(), key: null, value, headers: [] },
              ]),
            },
          ],
        },
      ],
    });
    return answer.responses[0]!.partitionResponses[0]!;
  }

  /** Offsets and numbers of everything in the partition. */
  async function readAll(client: WireClient): Promise<Map<number, number>> {
    const found = new Map<number, number>();
    for (let offset = 0; ; ) {
      const answer = await client.call(ApiKey.Fetch, 11, {
        maxWaitMs: 0,
        minBytes: 0,
        topics: [
          {
            topic: 'telemetry',
            partitions: [{ partition: 0, fetchOffset: offset, partitionMaxBytes: 1 << 20 }],
          },
        ],
      });
      const { records, highWatermark } = answer.responses[0]!.partitions[0]!;
      let at = 0;
      while (records !== null && at + 61 <= records.length) {
        const sizeBytes = records.readInt32BE(at + 8) + 12;
        if (at + sizeBytes > records.length) break;
        offset = Number(records.readBigInt64BE(at));
        found.set(offset, records.readInt32BE(at + sizeBytes - VALUE_BYTES - 1));
        at += sizeBytes;
        offset++;
      }
      if (offset >= highWatermark) return found;
    }
  }

  it('under the log: KAFKA_STORAGE_ERROR, then work again when there is room', async () => {
    disk = mountSmallDisk(24);
    elsewhere = temporaryDirectory('audit-elsewhere');
    broker = await startBroker({
      dataDir: join(disk.path, 'data'),
      env: { BREAKWATER_AUDIT_DIR: elsewhere },
    });
    const client = await connect();
    const acknowledged = new Map<number, number>();
    disk.fill(3 * 1024 * 1024);
    let refused = 0;
    for (let number = 0; number < 100; number++) {
      const { errorCode, baseOffset } = await produce(client, number);
      if (errorCode === ErrorCode.NONE) acknowledged.set(baseOffset, number);
      else {
        expect(errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
        refused++;
      }
    }
    expect(acknowledged.size).toBeGreaterThan(10);
    expect(refused).toBeGreaterThan(10);
    expect(await readAll(client)).toEqual(acknowledged);

    disk.release();
    const after = await produce(client, 1000);
    expect(after.errorCode).toBe(ErrorCode.NONE);
    acknowledged.set(after.baseOffset, 1000);
    await broker.kill9();
    broker = await startBroker({
      dataDir: join(disk.path, 'data'),
      certsDir: broker.certsDir,
      env: { BREAKWATER_AUDIT_DIR: elsewhere },
    });
    expect(await readAll(await connect())).toEqual(acknowledged);
  });

  it('under the access log: nothing is allowed until there is room, then work goes on', async () => {
    disk = mountSmallDisk(8);
    broker = await startBroker({ env: { BREAKWATER_AUDIT_DIR: join(disk.path, 'audit') } });
    const client = await connect();
    expect((await produce(client, 1)).errorCode).toBe(ErrorCode.NONE);
    disk.fill(0);
    let refusedWith: number | 'closed' = ErrorCode.NONE;
    const deadlineMs = Date.now() + 30_000;
    while (refusedWith === ErrorCode.NONE && Date.now() < deadlineMs) {
      const attempt = await connect().catch(() => null);
      const outcome = attempt === null ? null : await produce(attempt, 2).catch(() => null);
      refusedWith = outcome === null ? 'closed' : outcome.errorCode;
      attempt?.close();
    }
    expect(refusedWith).not.toBe(ErrorCode.NONE);
    // Who is connected already is told to try again, not that it has lost its rights.
    expect((await produce(client, 4)).errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    // An operator can act on it: the reserve is for that, and it is recorded.
    const env = {
      BREAKWATER_ADMIN_URL: `https://127.0.0.1:${broker.adminPort}`,
      BREAKWATER_CERTS_DIR: broker.certsDir,
    };
    const made = await runCli(['topic', 'create', '--tenant', 'acme', 'made-when-full'], { env });
    expect(made, made.stderr).toMatchObject({ code: 0 });
    disk.release();
    for (;;) {
      const attempt = await connect().catch(() => null);
      const outcome = attempt === null ? null : await produce(attempt, 3).catch(() => null);
      attempt?.close();
      if (outcome?.errorCode === ErrorCode.NONE) break;
      if (Date.now() > deadlineMs + 30_000) throw new Error('the broker did not recover');
    }
    const audit = join(disk.path, 'audit');
    expect(await broker.stop()).toBe(0);
    const key = join(broker.certsDir, SIGNING_KEY_PUBLIC_FILE);
    const verified = await runCli(['audit', 'verify', '--json', '--dir', audit, '--key', key]);
    expect(verified.code, verified.stdout).toBe(0);
    const text = readdirSync(audit)
      .filter((name) => name.startsWith('security-'))
      .map((name) => readFileSync(join(audit, name), 'utf8'))
      .join('');
    expect(text).toContain('made-when-full');
  });
});
