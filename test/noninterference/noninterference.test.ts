/** A tenant's answers do not depend on what another tenant does: short; the long runs are .full. */
import { expect, it } from 'vitest';
import { testSeed } from '../tools/test-seed.ts';
import { NoninterferenceRun } from './noninterference.ts';
import { testSetting } from './test-setting.ts';

it('random requests get the same bytes at the same time, whatever another tenant does', async () => {
  const run = await NoninterferenceRun.open(testSeed('noninterference', 1_122), testSetting());
  await run.run(400);
  await run.close();
  expect(run.tally.answers).toBeGreaterThan(350);
  expect(run.tally.foreignAnswers).toBeGreaterThan(350);
}, 60_000);

it('a leak is found', async () => {
  const setting = { ...testSetting(), isRandomnessShared: true };
  const run = await NoninterferenceRun.open(testSeed('noninterference-leak', 1_122), setting);
  await expect(run.run(500)).rejects.toThrow(/asked [0-9]+ version/);
  await run.close();
}, 60_000);
