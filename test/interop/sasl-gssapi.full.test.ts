/**
 * Kerberos logins by real clients: kcat (librdkafka, whose SASL library always asks for mutual
 * authentication), Kafka's Java client (with and without) and libkrb5 itself (with and without),
 * against a real KDC of the test's own.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { type BrokerProcess, startBroker } from '../tools/broker-process.ts';
import { type RunResult, runCommand } from '../tools/child-process.ts';
import { clientIdentity, writeProperties } from '../tools/client-identity.ts';
import { kafkaCli } from '../tools/java.ts';
import { type Kdc, startKdc } from '../tools/kdc.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

const REALM = 'FLEET.TEST';
const OTHER_REALM = 'OTHER.TEST';
const UNKNOWN_REALM = 'UNKNOWN.TEST';
const MUTUAL = 2;
const SEQUENCE = 8;
/** In seconds; long enough to be got and short enough to be waited for. */
const SHORT_TICKET = 4;
const REFUSED = /Authentication failed|SaslAuthenticationException|SASL authentication error/i;

/** The part of the package that a client uses. */
interface KerberosClientPackage {
  readonly GSS_MECH_OID_KRB5: number;
  initializeClient(
    service: string,
    options: { readonly flags: number; readonly mechOID: number },
  ): Promise<{
    step(challenge: string): Promise<unknown>;
    unwrap(challenge: string): Promise<unknown>;
    wrap(message: string): Promise<unknown>;
    readonly response: string | null;
  }>;
}

const sendBare = ({ socket }: WireClient, token: Buffer): void => {
  const size = Buffer.alloc(4);
  size.writeInt32BE(token.length);
  socket.write(Buffer.concat([size, token]));
};

/** The frame that answers the token. */
const bareExchange = (wire: WireClient, token: Buffer): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    let all = Buffer.alloc(0);
    const take = (chunk: Buffer): void => {
      all = Buffer.concat([all, chunk]);
      if (all.length < 4 || all.length < 4 + all.readInt32BE(0)) return;
      wire.socket.off('data', take);
      resolve(all.subarray(4));
    };
    wire.socket.on('data', take);
    void wire.closed.then(() => reject(new Error('the broker closed the connection')));
    sendBare(wire, token);
  });

describeRequiring(
  ['built-broker', 'kerberos-addon', 'krb5kdc', 'kcat', 'sasl-gssapi', 'java-tools'],
  'GSSAPI',
  () => {
    let kdc: Kdc;
    let broker: BrokerProcess;
    let keytab: string;
    /** User -> its credential cache. */
    const caches = new Map<string, string>();
    const environment = { ...process.env };

    beforeAll(async () => {
      kdc = await startKdc([REALM, OTHER_REALM, UNKNOWN_REALM]);
      keytab = join(kdc.directory, 'broker.keytab');
      // The broker's keytab holds a second service, whose tickets libkrb5 would take as well.
      for (const service of ['kafka/localhost', 'http/localhost']) {
        await kdc.administer(`addprinc -randkey ${service}@${REALM}`);
        await kdc.administer(`ktadd -k ${keytab} ${service}@${REALM}`);
      }
      for (const from of [OTHER_REALM, UNKNOWN_REALM]) {
        for (const realm of [REALM, from]) {
          await kdc.administer(`addprinc -pw between krbtgt/${REALM}@${from}`, realm);
        }
      }
      for (const user of ['service-1', 'stranger', 'odd.name', 'service-1/host']) {
        await logIn(user, REALM);
      }
      await logIn('service-1', OTHER_REALM, 'neighbour');
      await logIn('service-1', UNKNOWN_REALM, 'outsider');
      Object.assign(process.env, kdc.env);
      broker = await startBroker({
        env: {
          ...kdc.env,
          BREAKWATER_ADVERTISED_HOST: 'localhost',
          BREAKWATER_SASL_ENABLED_MECHANISMS: 'GSSAPI',
          BREAKWATER_SASL_KERBEROS_KEYTAB: keytab,
          BREAKWATER_SASL_KERBEROS_REALMS: `${REALM}=acme, ${OTHER_REALM}=globex`,
        },
      });
    });
    afterAll(async () => {
      for (const name of Object.keys(kdc?.env ?? {})) {
        if (environment[name] === undefined) delete process.env[name];
        else process.env[name] = environment[name];
      }
      await broker?.dispose();
      await kdc?.stop();
    });

    const logIn = async (user: string, realm: string, as = user): Promise<void> => {
      const principal = `${user}@${realm}`;
      caches.set(as, await kdc.login(principal, await kdc.keytab(principal)));
    };
    const caFile = (): string => clientIdentity(broker.certsDir, 'acme', 'device-1').caFile;
    const auditText = (): string => {
      const directory = join(broker.dataDir, 'audit');
      return readdirSync(directory)
        .filter((name) => name.startsWith('security'))
        .map((name) => readFileSync(join(directory, name), 'utf8'))
        .join('');
    };

    const kcat = (
      user: string,
      args: readonly string[],
      { input = '', service = 'kafka', trace = '/dev/null' } = {},
    ): Promise<RunResult> =>
      runCommand(
        'kcat',
        [
          ...['-b', `localhost:${broker.saslPort}`, '-X', 'security.protocol=sasl_ssl'],
          ...['-X', `ssl.ca.location=${caFile()}`, '-X', 'sasl.mechanisms=GSSAPI'],
          ...['-X', `sasl.kerberos.service.name=${service}`],
          ...['-X', 'sasl.kerberos.kinit.cmd=true', '-X', 'broker.address.family=v4'],
          ...args,
        ],
        {
          input,
          timeoutMs: 30_000,
          env: {
            ...kdc.env,
            KRB5CCNAME: caches.get(user) ?? 'FILE:/nowhere',
            KRB5_TRACE: trace,
          },
        },
      );
    const produce = ['-P', '-t', 'telemetry', '-p', '0', '-X', 'message.timeout.ms=4000'];

    test('kcat writes and reads', async () => {
      const trace = join(kdc.directory, 'kcat.trace');
      const written = await kcat('service-1', produce, { input: 'by kerberos\n', trace });
      expect(written.code, written.text).toBe(0);
      // Only mutual authentication has the client read an answer of the broker's libkrb5.
      expect(readFileSync(trace, 'utf8')).toMatch(/Read AP-REP/);
      const read = await kcat('service-1', ['-C', '-q', '-e', '-t', 'telemetry', '-p', '0']);
      expect(read.stdout.toString(), read.text).toContain('by kerberos');
      expect(auditText()).toContain('"reason":"GSSAPI"');
    });

    test('user/host is the same user, by the rule DEFAULT', async () => {
      const written = await kcat('service-1/host', produce, { input: 'from a host\n' });
      expect(written.code, written.text).toBe(0);
    });

    test('the same name of the realm of another tenant is the user of that tenant', async () => {
      const written = await kcat('neighbour', produce, { input: 'of globex\n' });
      expect(written.code, written.text).toBe(0);
      const read = (user: string) => kcat(user, ['-C', '-q', '-e', '-t', 'telemetry']);
      expect((await read('neighbour')).stdout.toString()).toBe('of globex\n');
      expect((await read('service-1')).stdout.toString()).not.toContain('globex');
    });

    test('a principal that nobody gave rights gets in, and is allowed nothing', async () => {
      const written = await kcat('stranger', produce, { input: 'no\n' });
      expect(written.text).toMatch(/authorization failed|not authorized|Unknown topic/i);
    });

    test.each([
      [
        'of a realm that the KDC trusts and the broker does not',
        'outsider',
        'kafka',
        'sasl_no_tenant',
      ],
      ['whose name no user may have', 'odd.name', 'kafka', 'sasl_bad_credentials'],
      ['with a ticket for another service', 'service-1', 'http', 'sasl_bad_credentials'],
    ])('a client %s does not get in', async (_title, user, service, reason) => {
      const written = await kcat(user, produce, { input: 'no\n', service });
      expect(written.code).not.toBe(0);
      expect(written.text).toMatch(REFUSED);
      expect(written.text).not.toContain('realm');
      expect(auditText()).toContain(`"reason":"${reason}"`);
    });

    test.each([false, true])('Java writes, mutual authentication: %s', async (isMutual) => {
      const cache = (caches.get('service-1') ?? '').replace('FILE:', '');
      const properties = writeProperties(kdc.directory, `java-${isMutual}`, {
        'bootstrap.servers': `localhost:${broker.saslPort}`,
        'security.protocol': 'SASL_SSL',
        'ssl.truststore.type': 'PEM',
        'ssl.truststore.location': caFile(),
        'sasl.mechanism': 'GSSAPI',
        'sasl.kerberos.service.name': 'kafka',
        'javax.security.sasl.server.authentication': String(isMutual),
        'sasl.jaas.config':
          'com.sun.security.auth.module.Krb5LoginModule required useTicketCache=true ' +
          `ticketCache="${cache}" principal="service-1@${REALM}" doNotPrompt=true;`,
      });
      const written = await kafkaCli(
        'kafka-console-producer',
        [
          ...['--bootstrap-server', `localhost:${broker.saslPort}`],
          ...['--command-config', properties, '--topic', 'telemetry'],
        ],
        {
          input: `java ${isMutual}\n`,
          env: kdc.env,
          jvmOptions: [
            `-Djava.security.krb5.conf=${kdc.env.KRB5_CONFIG}`,
            '-Dsun.security.krb5.debug=true',
          ],
        },
      );
      expect(written.code, written.text).toBe(0);
      expect(written.text).not.toMatch(/ERROR|LoginException|AuthenticationException/);
      // The JDK tells what it did: only an AP-REP leads it through this state.
      expect(written.text.includes('state=STATE_IN_PROCESS')).toBe(isMutual);
      const read = await kcat('service-1', ['-C', '-q', '-e', '-t', 'telemetry']);
      expect(read.stdout.toString()).toContain(`java ${isMutual}`);
    });

    /** The first token of a client with the tickets of `cache`. */
    const firstToken = async (cache: string, flags: number) => {
      const kerberos = createRequire(import.meta.url)('kerberos') as KerberosClientPackage;
      process.env.KRB5CCNAME = cache;
      const mechOID = kerberos.GSS_MECH_OID_KRB5;
      const client = await kerberos.initializeClient('kafka@localhost', { flags, mechOID });
      await client.step('');
      return { client, token: Buffer.from(client.response ?? '', 'base64') };
    };
    const connect = (): Promise<WireClient> =>
      WireClient.connect(broker.saslPort, clientIdentity(broker.certsDir, 'acme', 'device-1'));

    /** A whole login on the wire; the last answer. */
    const login = async (wire: WireClient, cache: string, flags: number) => {
      const { client, token } = await firstToken(cache, flags);
      const send = (authBytes: Buffer) => wire.call(ApiKey.SaslAuthenticate, 2, { authBytes });
      await wire.call(ApiKey.SaslHandshake, 1, { mechanism: 'GSSAPI' });
      let answer = await send(token);
      if (answer.errorCode !== 0) return answer;
      if ((flags & MUTUAL) !== 0) {
        await client.step(answer.authBytes.toString('base64'));
        answer = await send(Buffer.alloc(0));
      }
      await client.unwrap(answer.authBytes.toString('base64'));
      expect(Buffer.from(client.response ?? '', 'base64').toString('hex')).toBe('01000000');
      await client.wrap(Buffer.from([1, 0, 0, 0]).toString('base64'));
      return send(Buffer.from(client.response ?? '', 'base64'));
    };

    test('SaslHandshake 0: the same tokens in bare frames', async () => {
      const wire = await connect();
      await wire.call(ApiKey.SaslHandshake, 0, { mechanism: 'GSSAPI' });
      const { client, token } = await firstToken(caches.get('service-1') ?? '', MUTUAL);
      await client.step((await bareExchange(wire, token)).toString('base64'));
      await client.unwrap((await bareExchange(wire, Buffer.alloc(0))).toString('base64'));
      await client.wrap(Buffer.from([1, 0, 0, 0]).toString('base64'));
      sendBare(wire, Buffer.from(client.response ?? '', 'base64'));
      const { topics } = await wire.call(ApiKey.Metadata, 12, { topics: null });
      expect(topics.map(({ name }) => name).sort()).toEqual(['__audit', 'telemetry']);
      wire.close();
    });

    const shortTicket = async (): Promise<string> => {
      const file = join(kdc.directory, 'short.keytab');
      await kdc.administer(`ktadd -k ${file} service-1@${REALM}`);
      return kdc.login(`service-1@${REALM}`, file, ['-l', `${SHORT_TICKET}s`]);
    };

    test.each([SEQUENCE, SEQUENCE | MUTUAL])(
      'a session ends with its ticket, flags %i',
      async (flags) => {
        const wire = await connect();
        const answer = await login(wire, await shortTicket(), flags);
        expect(answer.errorCode).toBe(ErrorCode.NONE);
        expect(answer.sessionLifetimeMs).toBeGreaterThan(0n);
        expect(answer.sessionLifetimeMs).toBeLessThanOrEqual(BigInt(SHORT_TICKET * 1000));
        expect(await wire.isClosed(SHORT_TICKET * 1000 + 3000)).toBe(true);
      },
    );

    test('a session is renewed in place with a new ticket', async () => {
      const wire = await connect();
      const before = await login(wire, caches.get('service-1') ?? '', MUTUAL);
      expect(before.errorCode).toBe(ErrorCode.NONE);
      const after = await login(wire, caches.get('service-1') ?? '', MUTUAL);
      expect(after.errorCode).toBe(ErrorCode.NONE);
      const { topics } = await wire.call(ApiKey.Metadata, 12, { topics: null });
      expect(topics.map(({ name }) => name).sort()).toEqual(['__audit', 'telemetry']);
      wire.close();
    });

    test('a token is refused once its ticket has ended', async () => {
      const { token } = await firstToken(await shortTicket(), SEQUENCE);
      await new Promise((resolve) => setTimeout(resolve, (SHORT_TICKET + 1) * 1000));
      const wire = await connect();
      await wire.call(ApiKey.SaslHandshake, 1, { mechanism: 'GSSAPI' });
      const answer = await wire.call(ApiKey.SaslAuthenticate, 2, { authBytes: token });
      expect(answer.errorCode).toBe(ErrorCode.SASL_AUTHENTICATION_FAILED);
      expect(answer.errorMessage).toBe('Authentication failed.');
      expect(auditText()).toContain('"reason":"sasl_token_expired"');
    });

    test('a recorded token does not get in a second time', async () => {
      const { token } = await firstToken(caches.get('service-1') ?? '', SEQUENCE);
      for (const errorCode of [ErrorCode.NONE, ErrorCode.SASL_AUTHENTICATION_FAILED]) {
        const wire = await connect();
        await wire.call(ApiKey.SaslHandshake, 1, { mechanism: 'GSSAPI' });
        const answer = await wire.call(ApiKey.SaslAuthenticate, 2, { authBytes: token });
        expect(answer.errorCode).toBe(errorCode);
        wire.close();
      }
    });

    test('a new key in the keytab is used without a restart', async () => {
      await kdc.administer(`ktadd -k ${keytab} kafka/localhost@${REALM}`);
      await logIn('later', REALM);
      await expect
        .poll(() => kcat('later', ['-L', '-t', 'telemetry']).then(({ code }) => code), {
          timeout: 15_000,
          interval: 200,
        })
        .toBe(0);
      expect(auditText()).toContain('"reason":"keytab-loaded"');
    });

    test('no log holds a token or a key', () => {
      const text = auditText() + broker.stdout() + broker.stderr();
      expect(text).not.toMatch(/YII[A-Za-z0-9+/]{20}/);
      expect(text).not.toContain(readFileSync(keytab).toString('base64').slice(20, 60));
    });
  },
);
