/**
 * Power cuts, kills and full disks at random points of writing, signing, compressing and retention: what
 * is there afterwards is a chain that verifies, with every record that was confirmed.
 */
import { gunzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { type FileAuditLog, openFileAuditLog } from '../../src/audit/file-audit-log.ts';
import { verifyAudit } from '../../src/audit/verifier.ts';
import { access, denied, ManualClock, subject } from '../audit/audit-fixture.ts';
import { type KeyPair, keyPair } from '../audit/signed-log.ts';
import { testSeed } from '../tools/test-seed.ts';
import { PowerCutFileSystem, seededRandom } from './power-cut-file-system.ts';

const ROUNDS = 12;
const LIVES = 4;
const DIRECTORY = '/audit';

interface World {
  disk: PowerCutFileSystem;
  readonly clock: ManualClock;
  readonly random: () => number;
  readonly key: KeyPair;
  readonly hasRetention: boolean;
  next: number;
  /** Resource names whose record durable() confirmed. */
  readonly confirmed: Set<string>;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function open(world: World): FileAuditLog {
  const { disk: files, clock, key, hasRetention } = world;
  const retention = { days: 0, bytes: hasRetention ? 6_000 : 0 };
  return openFileAuditLog({
    ...{ directory: DIRECTORY, files, clock, repeatWindowMs: 0, fileBytesMax: 3_000 },
    signingKey: key.signing,
    keeping: { isCompressing: true, security: retention, access: retention },
  });
}

async function live(world: World): Promise<void> {
  const { disk, clock, random } = world;
  const log = open(world);
  for (let step = Math.floor(random() * 25); step > 0; step -= 1) {
    world.next += 1;
    const name = `n${world.next}`;
    log.access(subject(), denied({ resourceName: name }));
    if (random() < 0.7) log.access(subject(), access({ resourceName: name }));
    log.durable().then(
      () => void world.confirmed.add(name),
      () => {},
    );
    if (random() < 0.06) disk.failNext('write', 'EIO');
    if (random() < 0.06) disk.freeBytes = Math.floor(random() * 2_000);
    if (random() < 0.3) disk.freeBytes = Number.POSITIVE_INFINITY;
    if (random() < 0.3) void log.checkpoint();
    if (random() < 0.15) void log.keep();
    if (random() < 0.5) clock.advance(Math.floor(random() * 400));
    for (let turns = Math.floor(random() * 4); turns > 0; turns -= 1) await turn();
  }
}

function textOf(disk: PowerCutFileSystem): string {
  return disk
    .readdirSync(DIRECTORY)
    .filter((name) => name.startsWith('security-') && /\.ndjson(\.gz)?$/.test(name))
    .map((name) => {
      const bytes = disk.readFileSync(`${DIRECTORY}/${name}`);
      return (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('latin1');
    })
    .join('');
}

it('verifies after every crash, and holds what was confirmed', async () => {
  const random = seededRandom(testSeed('audit-chain', 5_208_117));
  const key = await keyPair();
  let confirmed = 0;
  let compressed = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const disk = new PowerCutFileSystem(random);
    const hasRetention = round % 2 === 1;
    const clock = new ManualClock();
    const world: World = { disk, clock, random, key, hasRetention, next: 0, confirmed: new Set() };
    for (let life = 0; life < LIVES; life += 1) {
      await live(world);
      const kept = [...world.confirmed];
      world.disk = random() < 0.3 ? world.disk.kill() : world.disk.cut();
      world.disk.freeBytes = Number.POSITIVE_INFINITY;
      const log = open(world);
      await log.keep();
      await log.close();
      const report = await verifyAudit({
        files: world.disk,
        directory: DIRECTORY,
        keys: [key.verifying],
      });
      expect(report.problems, `round ${round}, life ${life}`).toEqual([]);
      expect(report.streams.security.unsigned).toBe(0);
      const text = textOf(world.disk);
      const missing = kept.filter((name) => !text.includes(`"resource":"${name}"`));
      if (!hasRetention) expect(missing, `round ${round}, life ${life}`).toEqual([]);
      compressed += world.disk.readdirSync(DIRECTORY).filter((name) => name.endsWith('.gz')).length;
    }
    confirmed += world.confirmed.size;
  }
  // The test is worth something only if records were confirmed and files were compressed.
  expect(confirmed).toBeGreaterThan(ROUNDS * 10);
  expect(compressed).toBeGreaterThan(ROUNDS);
});
