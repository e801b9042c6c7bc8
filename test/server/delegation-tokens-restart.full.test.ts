/** Delegation tokens over restarts, on the disk, and where no secret is configured. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { type BrokerProcess, startBroker } from '../tools/broker-process.ts';
import { clientIdentity } from '../tools/client-identity.ts';
import {
  createToken,
  expireToken,
  renewToken,
  tokenBrokerEnv,
  tokenSecretFile,
} from '../tools/delegation-tokens.ts';
import { tokenLogin } from '../tools/scram-login.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

describeRequiring(['built-broker'], 'delegation tokens over restarts', () => {
  const dataDir = temporaryDirectory('token-data');
  const certsDir = temporaryDirectory('token-certs');
  let broker: BrokerProcess | undefined;

  const restarted = async (env: Record<string, string>): Promise<BrokerProcess> => {
    await broker?.stop();
    broker = await startBroker({ dataDir, certsDir, env });
    return broker;
  };
  afterAll(async () => {
    await broker?.dispose();
    for (const directory of [dataDir, certsDir]) removeDirectory(directory);
  });

  it('stay, and hold no secret on the disk; under another secret they are void, without one there are none', async () => {
    const env = tokenBrokerEnv();
    const who = () => clientIdentity(certsDir, 'acme', 'device-1');
    let running = await restarted(env);
    const maker = await WireClient.connect(running.port, who());
    const token = await createToken(maker);
    const metadata = join(dataDir, 'metadata');
    const stored = readdirSync(metadata, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.parentPath.includes('security_metadata'))
      .map((entry) => readFileSync(join(entry.parentPath, entry.name)));
    const all = Buffer.concat(stored);
    expect(all.includes(token.tokenId.slice('acme/'.length))).toBe(true);
    const secretPart = token.hmac.subarray(16);
    for (const form of ['base64', 'base64url', 'hex'] as const) {
      expect(all.includes(secretPart.toString(form).slice(0, 30))).toBe(false);
    }
    expect(all.includes(secretPart)).toBe(false);

    running = await restarted(env);
    const login = await WireClient.connect(running.saslPort, who());
    expect((await tokenLogin(login, token)).errorCode).toBe(0);

    running = await restarted(tokenBrokerEnv(tokenSecretFile()));
    const changed = await tokenLogin(await WireClient.connect(running.saslPort, who()), token);
    expect(changed.errorCode).toBe(ErrorCode.SASL_AUTHENTICATION_FAILED);

    running = await restarted({});
    const none = await WireClient.connect(running.port, who());
    const disabled = ErrorCode.DELEGATION_TOKEN_AUTH_DISABLED;
    expect((await createToken(none)).errorCode).toBe(disabled);
    expect((await renewToken(none, token.hmac)).errorCode).toBe(disabled);
    expect((await expireToken(none, token.hmac)).errorCode).toBe(disabled);
    const shown = await none.call(ApiKey.DescribeDelegationToken, 3, { owners: null });
    expect(shown.errorCode).toBe(disabled);
    const refused = await tokenLogin(await WireClient.connect(running.saslPort, who()), token);
    expect(refused.errorCode).toBe(ErrorCode.SASL_AUTHENTICATION_FAILED);
  });

  it('a secret without SCRAM stops the start with a sentence', async () => {
    const env = { ...tokenBrokerEnv(), BREAKWATER_SASL_ENABLED_MECHANISMS: 'PLAIN' };
    await expect(startBroker({ env })).rejects.toThrow(/log in by SCRAM.*add SCRAM-SHA-512/s);
  });

  it.each([
    ['too short', 'short', /fewer than 32 characters.*openssl rand/],
    ['missing', null, /is missing.*delegation\.token\.secret\.key\.file/],
  ])('a secret that is %s stops the start with a sentence', async (_what, secret, message) => {
    const path = join(temporaryDirectory('token-secret'), 'secret');
    if (secret !== null) writeFileSync(path, secret);
    await expect(startBroker({ env: tokenBrokerEnv(path) })).rejects.toThrow(message);
  });
});
