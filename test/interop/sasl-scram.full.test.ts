/** SCRAM and PLAIN inside TLS with real clients: kcat and kafkajs. */
import { Kafka, logLevel } from 'kafkajs';
import { beforeAll, describe, expect, test } from 'vitest';
import { useBroker } from '../tools/broker-fixture.ts';
import { runCommand } from '../tools/child-process.ts';
import { nodeTlsOptions } from '../tools/client-identity.ts';
import { upsertScramUser } from '../tools/scram-users.ts';
import { describeRequiring } from '../tools/tool-detection.ts';

const PASSWORD = 'correct horse battery staple';
const MECHANISMS = ['SCRAM-SHA-256', 'SCRAM-SHA-512', 'PLAIN'] as const;
const env = { BREAKWATER_SASL_ENABLED_MECHANISMS: MECHANISMS.join(',') };

describeRequiring(['built-broker'], 'SCRAM', () => {
  const fixture = useBroker({ env });

  beforeAll(async () => {
    const admin = await fixture.connect('acme', 'admin-1');
    await upsertScramUser(admin, 'service-1', PASSWORD);
  });

  const kafkajs = (username: string, password: string, mechanism = 'scram-sha-256') =>
    new Kafka({
      brokers: [`127.0.0.1:${fixture.broker.saslPort}`],
      ssl: { ca: nodeTlsOptions(fixture.who('acme', 'device-1')).ca },
      sasl: { mechanism, username, password } as never,
      logLevel: logLevel.NOTHING,
      retry: { retries: 0 },
      authenticationTimeout: 5000,
    });

  describe.each(['scram-sha-256', 'scram-sha-512', 'plain'])('kafkajs, %s', (mechanism) => {
    test('logs in, writes and reads back', async () => {
      const kafka = kafkajs('acme/service-1', PASSWORD, mechanism);
      const producer = kafka.producer();
      await producer.connect();
      const sent = await producer.send({
        topic: 'telemetry',
        acks: -1,
        messages: [{ value: mechanism, partition: 3 }],
      });
      expect(sent[0]?.errorCode).toBe(0);
      await producer.disconnect();
      const login = await fixture.audited(
        'security',
        (line) => line.reason === mechanism.toUpperCase() && line.outcome === 'success',
      );
      expect(login).toMatchObject({ tenant: 'acme', principal: 'User:service-1' });
    });

    test('a wrong password and an unknown user fail alike', async () => {
      const said: string[] = [];
      for (const [user, password] of [
        ['acme/service-1', 'wrong'],
        ['acme/nobody-here', PASSWORD],
        ['globex/service-1', PASSWORD],
        ['nowhere/service-1', PASSWORD],
      ] as const) {
        const admin = kafkajs(user, password, mechanism).admin();
        await admin.connect().then(
          () => expect.unreachable(`${user} got in`),
          (error: Error) => said.push(error.message),
        );
      }
      expect(new Set(said).size, said.join(' | ')).toBe(1);
    });
  });
});

describeRequiring(['built-broker', 'kcat'], 'SCRAM by kcat', () => {
  const fixture = useBroker({ env });

  beforeAll(async () => {
    const admin = await fixture.connect('acme', 'admin-1');
    await upsertScramUser(admin, 'service-1', PASSWORD);
  });

  const kcat = (mechanism: string, password: string, args: readonly string[], stdin = '') => {
    const { caFile } = fixture.who('acme', 'device-1');
    const connection = [
      ...['-b', `127.0.0.1:${fixture.broker.saslPort}`, '-X', 'security.protocol=sasl_ssl'],
      ...['-X', `ssl.ca.location=${caFile}`, '-X', `sasl.mechanisms=${mechanism}`],
      ...['-X', 'sasl.username=acme/service-1', '-X', `sasl.password=${password}`],
    ];
    return runCommand('kcat', [...connection, ...args], { timeoutMs: 30_000, input: stdin });
  };

  test.each(MECHANISMS)('%s: writes and reads', async (mechanism) => {
    const line = `by ${mechanism}\n`;
    const written = await kcat(mechanism, PASSWORD, ['-P', '-t', 'telemetry', '-p', '2'], line);
    expect(written.code, String(written.stderr)).toBe(0);
    const read = await kcat(mechanism, PASSWORD, [
      ...['-C', '-q', '-e', '-t', 'telemetry', '-p', '2', '-o', '-1'],
    ]);
    expect(read.stdout.toString()).toBe(line);
  });

  test('a wrong password stays outside, and the log says whose', async () => {
    const refused = await kcat('SCRAM-SHA-512', 'wrong', ['-L', '-m', '3']);
    expect(refused.code).not.toBe(0);
    const line = await fixture.audited('security', (one) => one.reason === 'sasl_bad_credentials');
    expect(JSON.stringify(line)).toContain('User:service-1');
  });
});
