/**
 * `kill -9` in the midst of a backup, of the deletion of a tenant, and of a restore: a backup has its
 * name only when it is whole, a deletion once begun comes to its end in the next life and never back,
 * and no broker starts on half of a restored folder.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { HELD_FOLDER } from '../../src/backup/backup-writer.ts';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { buildRecordBatch } from '../../src/protocol/records/record-batch-builder.ts';
import { BIN, runInProcess } from '../cli/run-cli.ts';
import { adminRequest } from '../tools/admin-request.ts';
import { type BrokerProcess, startBroker } from '../tools/broker-process.ts';
import { awaitExit, spawnReaped } from '../tools/child-process.ts';
import { clientIdentity } from '../tools/client-identity.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

const TOPICS = 20;
/** How far a deletion has come when the power goes, in milliseconds after it was asked for. */
const KILLS_AFTER_MS = [0, 8, 25, 70];

describeRequiring(['built-broker'], 'kill -9', () => {
  let root: string;
  let broker: BrokerProcess | undefined;
  beforeEach(() => {
    root = temporaryDirectory('backup-kill');
  });
  afterEach(async () => {
    await broker?.dispose();
    broker = undefined;
    removeDirectory(root);
  });

  const certsDir = (): string => join(root, 'certs');
  const backups = (): string => join(root, 'backups');
  const start = async (): Promise<BrokerProcess> => {
    broker = await startBroker({
      dataDir: join(root, 'data'),
      certsDir: certsDir(),
      env: {
        BREAKWATER_BACKUP_DIR: backups(),
        BREAKWATER_BACKUP_MIN_FREE_BYTES: '0',
        BREAKWATER_SECURITY_WATERMARK_FILE: join(root, 'watermark.json'),
      },
    });
    return broker;
  };
  const connect = (tenant: string, name: string): Promise<WireClient> =>
    WireClient.connect(broker!.port, clientIdentity(certsDir(), tenant, name));
  const until = async (isSo: () => boolean | Promise<boolean>): Promise<void> => {
    const deadlineMs = Date.now() + 15_000;
    while (!(await isSo())) {
      if (Date.now() > deadlineMs) throw new Error('it does not come to be so');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  const produce = async (value: Buffer): Promise<void> => {
    const client = await connect('acme', 'device-1');
    const records = buildRecordBatch([{ timestampMs: 1, key: null, value, headers: [] }]);
    const partitionData = [0, 1, 2, 3, 4, 5].map((index) => ({ index, records }));
    const topicData = [{ name: 'telemetry', partitionData }];
    await client.call(ApiKey.Produce, 9, { acks: -1, timeoutMs: 5000, topicData });
    client.close();
  };

  it('leaves no backup that is not whole, and the next one succeeds', async () => {
    await start();
    await produce(Buffer.alloc(100_000, 'x'));
    const slow = { name: 'cut-off', bytesPerSecond: 64 * 1024 };
    expect((await adminRequest(broker!, 'POST', '/v1/backups', slow)).status).toBe(201);
    const held = join(root, 'data', HELD_FOLDER);
    await until(() => existsSync(held) && readdirSync(held).length > 0);
    const second = await adminRequest(broker!, 'POST', '/v1/backups', { name: 'other' });
    expect(second).toMatchObject({ status: 409, body: { code: 'backup-running' } });
    await broker!.kill9();
    expect(readdirSync(backups())).toEqual(['cut-off.partial']);

    await start();
    expect(readdirSync(backups())).toEqual([]);
    expect(existsSync(held)).toBe(false);
    await adminRequest(broker!, 'POST', '/v1/backups', { name: 'cut-off' });
    await until(async () => {
      const { body } = await adminRequest(broker!, 'GET', '/v1/backups/cut-off');
      return (body as { state: string }).state === 'complete';
    });
    const verified = await runInProcess([
      'restore',
      '--from',
      join(backups(), 'cut-off'),
      '--verify',
    ]);
    expect(verified).toMatchObject({ code: 0, stderr: '' });
  });

  it('ends no deletion half-way', async () => {
    for (const [life, afterMs] of KILLS_AFTER_MS.entries()) {
      const tenant = `life-${life}`;
      await start();
      const online = (line: string) =>
        runInProcess([
          ...line.split(' '),
          ...['--url', `https://127.0.0.1:${broker!.adminPort}`, '--certs', certsDir()],
        ]);
      expect(await online(`tenant create ${tenant}`)).toMatchObject({ code: 0 });
      const issued = `cert issue --tenant ${tenant} --device device-1 --pki ${certsDir()}`;
      expect(await runInProcess(issued.split(' '))).toMatchObject({ code: 0 });
      for (let topic = 0; topic < TOPICS; topic += 1) {
        const made = await adminRequest(broker!, 'POST', `/v1/tenants/${tenant}/topics`, {
          ...{ name: `t-${topic}`, partitions: 3 },
        });
        expect(made.status).toBe(201);
      }
      const path = `/v1/tenants/${tenant}`;
      const asked = adminRequest(broker!, 'DELETE', `${path}?confirm=${tenant}`).catch(() => null);
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      await broker!.kill9();
      const answer = await asked;

      await start();
      const folders = (): number =>
        readdirSync(join(root, 'data')).filter((name) => name.startsWith(`${tenant}.`)).length;
      const { status, body } = await adminRequest(broker!, 'GET', path);
      const isUntouched = status === 200 && (body as { state: string }).state === 'active';
      // Who was told that it has begun finds it so.
      if (answer !== null) expect([answer.status, isUntouched]).toEqual([200, false]);
      const device = await connect(tenant, 'device-1');
      expect(await device.isClosed(isUntouched ? 100 : 3000)).toBe(!isUntouched);
      device.close();
      if (isUntouched)
        expect(folders()).toBe(3 * TOPICS + 1); // And the audit topic.
      else {
        await until(async () => {
          const view = await adminRequest(broker!, 'GET', `${path}/deletion`);
          return (view.body as { state: string }).state === 'deleted';
        });
        expect(folders()).toBe(0);
        const audit = join(root, 'data', 'audit');
        const lines = readdirSync(audit)
          .filter((name) => name.startsWith('security-') && name.endsWith('.ndjson'))
          .flatMap((name) => readFileSync(join(audit, name), 'utf8').split('\n'))
          .filter((line) => line.includes(`"${tenant}"`));
        for (const reason of ['tenant-delete-begun', 'tenant-purged']) {
          const proof = lines.filter((line) => line.includes(`"reason":"${reason}"`));
          expect(proof.length, reason).toBeGreaterThan(0);
          expect(JSON.parse(proof[0]!)).toMatchObject({ facts: { topics: TOPICS + 1 } });
        }
      }
      await broker!.stop();
    }
  }, 120_000);

  it('leaves no half of a restored folder on which a broker would start', async () => {
    await start();
    await produce(Buffer.alloc(900_000, 'x'));
    await adminRequest(broker!, 'POST', '/v1/backups', { name: 'whole' });
    await until(async () => {
      const { body } = await adminRequest(broker!, 'GET', '/v1/backups/whole');
      return (body as { state: string }).state === 'complete';
    });
    await broker!.stop();
    mkdirSync(join(root, 'targets'));
    let halves = 0;
    for (let life = 0; life < 3; life += 1) {
      const target = join(root, 'targets', String(life));
      const args = ['restore', '--from', join(backups(), 'whole'), '--data-dir', target];
      const child = spawnReaped(process.execPath, [BIN, ...args], { stdio: 'ignore' });
      await until(() => child.exitCode !== null || existsSync(join(target, 'restore-unfinished')));
      await new Promise((resolve) => setTimeout(resolve, life * 8));
      child.kill('SIGKILL');
      await awaitExit(child, 5000).catch(() => undefined);
      if (!existsSync(join(target, 'restore-unfinished'))) continue;
      halves += 1;
      await expect(
        startBroker({ dataDir: target, certsDir: certsDir(), readyTimeoutMs: 10_000 }),
      ).rejects.toThrow(/did not come to its end/);
    }
    expect(halves).toBeGreaterThan(0);
  });
});
