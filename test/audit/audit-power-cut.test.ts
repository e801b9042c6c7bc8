/**
 * Power cuts, kills and failing disks at random points: no record that durable() confirmed is lost,
 * and after the restart every line is whole.
 */
import { describe, expect, it } from 'vitest';
import { type FileAuditLog, openFileAuditLog } from '../../src/audit/file-audit-log.ts';
import { PowerCutFileSystem, seededRandom } from '../crash/power-cut-file-system.ts';
import { testSeed } from '../tools/test-seed.ts';
import { access, denied, ManualClock, subject } from './audit-fixture.ts';

const ROUNDS = 60;
const DIRECTORY = '/audit';

interface World {
  disk: PowerCutFileSystem;
  readonly clock: ManualClock;
  readonly random: () => number;
  /** Resource names whose record durable() confirmed. */
  readonly confirmed: Set<string>;
  next: number;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function linesOf(disk: PowerCutFileSystem): Record<string, unknown>[] {
  const names = disk.readdirSync(DIRECTORY).filter((name) => name.endsWith('.ndjson'));
  return names.sort().flatMap((name) => {
    const text = disk.readFileSync(`${DIRECTORY}/${name}`).toString('utf8');
    expect(text === '' || text.endsWith('\n'), name).toBe(true);
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  });
}

function someEvents(world: World, log: FileAuditLog): void {
  const count = 1 + Math.floor(world.random() * 6);
  const names = Array.from({ length: count }, () => {
    world.next += 1;
    return `n${world.next}`;
  });
  for (const name of names) {
    log.access(subject(), denied({ resourceName: name }));
    if (world.random() < 0.5) log.access(subject(), access({ resourceName: name }));
  }
  log.durable().then(
    () => {
      for (const name of names) world.confirmed.add(name);
    },
    () => {},
  );
}

async function live(world: World): Promise<void> {
  const { disk, clock, random } = world;
  const log = openFileAuditLog({
    directory: DIRECTORY,
    files: disk,
    clock,
    fileBytesMax: 4_000,
    repeatWindowMs: 0,
  });
  const steps = Math.floor(random() * 30);
  for (let step = 0; step < steps; step += 1) {
    someEvents(world, log);
    if (random() < 0.05) disk.failNext('write', 'EIO');
    if (random() < 0.05) disk.failNext('datasync', 'EIO');
    if (random() < 0.03) disk.failNext('syncDirectory', 'EIO');
    if (random() < 0.05) disk.freeBytes = Math.floor(random() * 2_000);
    if (random() < 0.3) disk.freeBytes = Number.POSITIVE_INFINITY;
    if (random() < 0.5) clock.advance(Math.floor(random() * 200));
    if (random() < 0.7) await turn();
  }
}

describe('the audit log on a disk that fails, forgets and dies', () => {
  it('keeps every confirmed record and only whole lines', async () => {
    const seed = testSeed('audit-power-cut', 4_312_019);
    const random = seededRandom(seed);
    let confirmed = 0;
    let torn = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const world: World = {
        disk: new PowerCutFileSystem(random),
        clock: new ManualClock(),
        random,
        confirmed: new Set(),
        next: 0,
      };
      for (let life = 0; life < 4; life += 1) {
        await live(world);
        const kept = new Set(world.confirmed);
        world.disk = random() < 0.3 ? world.disk.kill() : world.disk.cut();
        world.disk.freeBytes = Number.POSITIVE_INFINITY;
        const log = openFileAuditLog({
          directory: DIRECTORY,
          files: world.disk,
          clock: world.clock,
        });
        await log.close();
        const lines = linesOf(world.disk);
        const present = new Set(lines.map(({ resource }) => resource));
        for (const name of kept) expect(present.has(name), `${name} in round ${round}`).toBe(true);
        torn += world.disk.readdirSync(DIRECTORY).filter((name) => name.endsWith('.torn')).length;
      }
      confirmed += world.confirmed.size;
    }
    // The test is worth something only if records were confirmed and files were torn.
    expect(confirmed).toBeGreaterThan(ROUNDS * 10);
    expect(torn).toBeGreaterThan(0);
  });
});
