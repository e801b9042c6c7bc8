/**
 * A real single-node Apache Kafka (KRaft, mutual TLS, StandardAuthorizer) as the peer of the
 * benchmark and as the reference that the interoperability tests can be checked against.
 *
 * Invariant: it listens on loopback only, on free ports, keeps everything below the directory it is
 * given, and is dead when the process that started it ends. Its rules are those of Breakwater's
 * development policy for tenant acme, as ACLs.
 */
import type { ChildProcess } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { awaitExit, spawnReaped } from '../../test/tools/child-process.ts';
import { writeProperties } from '../../test/tools/client-identity.ts';
import { freePort } from '../../test/tools/free-port.ts';
import { kafkaBrokerArguments, kafkaCli } from '../../test/tools/java.ts';
import { makeServerCertificate } from '../../test/tools/openssl-pki.ts';

export interface KafkaPeerOptions {
  /** Everything the peer keeps: its server certificate, its properties, its log. */
  readonly directory: string;
  /** PEM file with the CA under which clients' certificates are accepted. */
  readonly clientCaFile: string;
  /** `num.partitions` and such, over the defaults below. */
  readonly overrides?: Readonly<Record<string, string>>;
}

export interface KafkaPeer {
  readonly bootstrap: string;
  readonly port: number;
  readonly pid: number;
  readonly dataDir: string;
  /** The server CA that clients of the peer trust. */
  readonly caFile: string;
  stop(): Promise<void>;
  kill9(): Promise<void>;
}

/** The broker's private key and certificate in one file, as Kafka's PEM key store wants them. */
const makeKeyStore = (certificates: string): string => {
  makeServerCertificate(certificates);
  const parts = ['server.key', 'server.crt'].map((name) => readFileSync(join(certificates, name)));
  const path = join(certificates, 'server.pem');
  writeFileSync(path, Buffer.concat(parts), { mode: 0o600 });
  return path;
};

const brokerProperties = (
  dataDir: string,
  ports: { readonly tls: number; readonly controller: number },
  keyStore: string,
  trustStore: string,
): Record<string, string> => ({
  'process.roles': 'broker,controller',
  'node.id': '1',
  'controller.quorum.voters': `1@127.0.0.1:${ports.controller}`,
  listeners: `SSL://127.0.0.1:${ports.tls},CONTROLLER://127.0.0.1:${ports.controller}`,
  'advertised.listeners': `SSL://127.0.0.1:${ports.tls}`,
  'listener.security.protocol.map': 'SSL:SSL,CONTROLLER:PLAINTEXT',
  'inter.broker.listener.name': 'SSL',
  'controller.listener.names': 'CONTROLLER',
  'log.dirs': dataDir,
  'ssl.client.auth': 'required',
  'ssl.keystore.type': 'PEM',
  'ssl.keystore.location': keyStore,
  'ssl.truststore.type': 'PEM',
  'ssl.truststore.location': trustStore,
  'ssl.principal.mapping.rules': 'RULE:^.*?CN=([^,/]+).*$/$1/,DEFAULT',
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  // The controller's own listener is plaintext on loopback: nobody else reaches it.
  'super.users': 'User:ANONYMOUS;User:admin-1',
  'auto.create.topics.enable': 'false',
  'offsets.topic.replication.factor': '1',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'share.coordinator.state.topic.replication.factor': '1',
  'share.coordinator.state.topic.min.isr': '1',
  'group.initial.rebalance.delay.ms': '0',
});

const portAnswers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });

const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

const awaitPort = async (child: ChildProcess, port: number, log: () => string): Promise<void> => {
  const deadline = Date.now() + 60_000;
  while (!(await portAnswers(port))) {
    if (child.exitCode !== null) throw new Error(`Kafka ended at its start:\n${log()}`);
    if (Date.now() > deadline) throw new Error(`Kafka did not listen in a minute:\n${log()}`);
    await pause(20);
  }
};

/** A prepared peer: formatted once, started as often as wanted. */
export interface PreparedPeer {
  readonly dataDir: string;
  readonly caFile: string;
  start(): Promise<KafkaPeer>;
}

const launch = async (
  propertiesFile: string,
  port: number,
  dataDir: string,
  caFile: string,
): Promise<KafkaPeer> => {
  let log = '';
  const child = spawnReaped('java', kafkaBrokerArguments(propertiesFile), {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const keep = (chunk: Buffer): void => {
    log = (log + chunk.toString('utf8')).slice(-20_000);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  await awaitPort(child, port, () => log);
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    await awaitExit(child, 30_000);
  };
  return {
    bootstrap: `127.0.0.1:${port}`,
    port,
    pid: child.pid ?? -1,
    dataDir,
    caFile,
    stop: () => end('SIGTERM'),
    kill9: () => end('SIGKILL'),
  };
};

/** Makes the peer's certificate, writes its properties and formats its storage. */
export const preparePeer = async (options: KafkaPeerOptions): Promise<PreparedPeer> => {
  const certificates = join(options.directory, 'certificates');
  const dataDir = join(options.directory, 'data');
  mkdirSync(dataDir, { recursive: true });
  const keyStore = makeKeyStore(certificates);
  const trustStore = join(certificates, 'clients.pem');
  copyFileSync(options.clientCaFile, trustStore);
  const ports = { tls: await freePort(), controller: await freePort() };
  const properties = writeProperties(options.directory, 'server', {
    ...brokerProperties(dataDir, ports, keyStore, trustStore),
    ...options.overrides,
  });
  const id = 'QnJlYWt3YXRlclBlZXIwMQ';
  const format = await kafkaCli('kafka-storage', ['format', '-t', id, '-c', properties]);
  if (format.code !== 0) throw new Error(`kafka-storage format failed:\n${format.text}`);
  const caFile = join(certificates, 'ca.crt');
  return { dataDir, caFile, start: () => launch(properties, ports.tls, dataDir, caFile) };
};
