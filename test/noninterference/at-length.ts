/** Worlds of 5,000 requests each, one after the other: each begins with a tenant that has nothing. */
import { expect } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { servedApi } from '../../src/server/apis/index.ts';
import { NoninterferenceRun } from './noninterference.ts';
import { testSetting } from './test-setting.ts';

const REQUESTS_A_WORLD = 5000;

/** What a run that shows anything has met. */
const EXPECTED_ERRORS = [
  ErrorCode.NONE,
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.TOPIC_ALREADY_EXISTS,
  ErrorCode.TOPIC_AUTHORIZATION_FAILED,
  ErrorCode.FETCH_SESSION_ID_NOT_FOUND,
  ErrorCode.UNKNOWN_MEMBER_ID,
  ErrorCode.POLICY_VIOLATION,
];

export async function runAtLength(firstSeed: number, requests: number): Promise<void> {
  const setting = testSetting();
  const served = Object.values(ApiKey).filter((key) => servedApi(key) !== undefined);
  let [answers, foreign] = [0, 0];
  const met = new Set<unknown>();
  for (let seed = firstSeed; answers < requests; seed += 1) {
    const run = await NoninterferenceRun.open(seed, setting);
    await run.run(REQUESTS_A_WORLD);
    await run.close();
    const { tally } = run;
    answers += tally.answers;
    foreign += tally.foreignAnswers;
    expect([...tally.apis].sort()).toEqual([...served].sort());
    for (const code of tally.errorCodes) if (tally.foreignErrorCodes.has(code)) met.add(code);
  }
  console.log(`${answers} answers beside ${foreign} of the other tenant`);
  for (const code of EXPECTED_ERRORS) expect([...met], `code ${code}`).toContain(code);
}
