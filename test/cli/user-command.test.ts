/** `breakwater user`, against a running broker with SCRAM, and logins with what it set. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { testDirectory } from '../pki/temporary-pki.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { runCommand } from '../tools/child-process.ts';
import { scramLogin } from '../tools/scram-login.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { BIN, runInProcess } from './run-cli.ts';

describeRequiring(['built-broker'], 'breakwater user', () => {
  const fixture = useBroker({
    env: { BREAKWATER_SASL_ENABLED_MECHANISMS: 'SCRAM-SHA-256,SCRAM-SHA-512' },
  });
  beforeAll(() => {
    vi.stubEnv('BREAKWATER_ADMIN_URL', `https://127.0.0.1:${fixture.broker.adminPort}`);
    vi.stubEnv('BREAKWATER_CERTS_DIR', fixture.broker.certsDir);
  });
  afterAll(() => {
    vi.unstubAllEnvs();
  });
  const run = async (line: string): Promise<string> => {
    const { code, stdout, stderr } = await runInProcess(line.split(' '));
    expect([code, stderr], line).toEqual([0, '']);
    return stdout;
  };
});
