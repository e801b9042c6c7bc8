/** One broker a data folder, proven with real processes: alive, stopped, killed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { lockDataDirectory } from '../../src/base/data-directory-lock.ts';
import { ConfigError } from '../../src/base/errors.ts';
import { systemRandom } from '../../src/base/random.ts';
import { projectRoot } from '../tools/project-root.ts';
import { temporaryDirectory } from '../tools/temporary-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';

const lockNames = (directory: string) =>
  readdirSync(directory).filter((name) => name.startsWith('.lock-'));

describe('the lock of a data folder', () => {
  test('refuses a second owner with a sentence that names the first', async () => {
    const directory = temporaryDirectory('lock');
    const lock = await lockDataDirectory(directory, systemRandom);
    const second = lockDataDirectory(directory, systemRandom);
    await expect(second).rejects.toThrow(ConfigError);
    await expect(second).rejects.toThrow(`process ${process.pid}`);
    expect(lockNames(directory).length).toBe(1);
    await lock.release();
    expect(lockNames(directory)).toEqual([]);
    await (await lockDataDirectory(directory, systemRandom)).release();
  });

  test('of two that start together at most one wins, whoever they are', async () => {
    for (let round = 0; round < 20; round += 1) {
      const directory = temporaryDirectory('lock');
      const attempts = [1, 2, 3].map(() => lockDataDirectory(directory, systemRandom));
      const results = await Promise.allSettled(attempts);
      const winners = results.filter((result) => result.status === 'fulfilled');
      expect(winners.length).toBeLessThanOrEqual(1);
      for (const winner of winners) await winner.value.release();
    }
  });

  test('works in a folder whose path is longer than a socket name may be', async () => {
    const directory = join(temporaryDirectory('lock'), 'd'.repeat(100), 'e'.repeat(100));
    mkdirSync(directory, { recursive: true });
    const lock = await lockDataDirectory(directory, systemRandom);
    await expect(lockDataDirectory(directory, systemRandom)).rejects.toThrow('is running on');
    await lock.release();
  });

  test('leaves no descriptor open when it is refused', async () => {
    const directory = temporaryDirectory('lock');
    const lock = await lockDataDirectory(directory, systemRandom);
    await lockDataDirectory(directory, systemRandom).catch(() => undefined);
    const before = readdirSync('/proc/self/fd').length;
    for (let round = 0; round < 5; round += 1) {
      await lockDataDirectory(directory, systemRandom).catch(() => undefined);
    }
    expect(readdirSync('/proc/self/fd').length).toBeLessThanOrEqual(before);
    await lock.release();
  });
});

describeRequiring(['built-broker'], 'the lock of another process', () => {
  const children: ChildProcess[] = [];

  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });

  async function startOwner(directory: string): Promise<ChildProcess> {
    const module = (name: string) => JSON.stringify(join(projectRoot, 'dist', 'base', name));
    const script = `
      import { lockDataDirectory } from ${module('data-directory-lock.js')};
      import { systemRandom } from ${module('random.js')};
      await lockDataDirectory(${JSON.stringify(directory)}, systemRandom);
      process.stdout.write('locked');
      setInterval(() => {}, 60_000);
    `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    await once(child.stdout, 'data');
    return child;
  }

  test('holds while it lives, even when it is stopped, and ends with kill -9', async () => {
    const directory = temporaryDirectory('lock');
    const owner = await startOwner(directory);
    const refused = `process ${owner.pid}`;
    await expect(lockDataDirectory(directory, systemRandom)).rejects.toThrow(refused);
    owner.kill('SIGSTOP');
    await expect(lockDataDirectory(directory, systemRandom)).rejects.toThrow(refused);
    owner.kill('SIGKILL');
    await once(owner, 'exit');
    expect(lockNames(directory).length).toBe(1);
    const lock = await lockDataDirectory(directory, systemRandom);
    expect(lockNames(directory).length).toBe(1);
    await lock.release();
  });
});
