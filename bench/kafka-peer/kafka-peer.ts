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

export interface KafkaPeerOptions {
  /** Everything the peer keeps: its key store, its properties, its log. */
  readonly directory: string;
  /** A directory like certs-dev: the peer presents Breakwater's own broker certificate. */
  readonly certsDir: string;
  /** `num.partitions` and such, over the defaults below. */
  readonly overrides?: Readonly<Record<string, string>>;
}

export interface KafkaPeer {
  readonly bootstrap: string;
  readonly port: number;
  readonly pid: number;
  readonly dataDir: string;
  stop(): Promise<void>;
  kill9(): Promise<void>;
}

/** The broker's private key and certificate in one file, as Kafka's PEM key store wants them. */
const makeKeyStore = (certsDir: string, directory: string): string => {
  const parts = ['broker.key', 'broker.crt'].map((name) => readFileSync(join(certsDir, name)));
  const path = join(directory, 'broker.pem');
  writeFileSync(path, Buffer.concat(parts), { mode: 0o600 });
  return path;
};

interface Ports {
  readonly tls: number;
  /** Plaintext on loopback, used by the node itself: it would not trust its own certificate. */
  readonly internal: number;
  readonly controller: number;
}

const brokerProperties = (
  dataDir: string,
  ports: Ports,
  keyStore: string,
  trustStore: string,
): Record<string, string> => ({
  'process.roles': 'broker,controller',
  'node.id': '1',
  'controller.quorum.voters': `1@127.0.0.1:${ports.controller}`,
  listeners:
    `SSL://127.0.0.1:${ports.tls},INTERNAL://127.0.0.1:${ports.internal},` +
    `CONTROLLER://127.0.0.1:${ports.controller}`,
  'listener.security.protocol.map': 'SSL:SSL,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT',
  'inter.broker.listener.name': 'INTERNAL',
  'controller.listener.names': 'CONTROLLER',
  'log.dirs': dataDir,
  'ssl.client.auth': 'required',
  'ssl.keystore.type': 'PEM',
  'ssl.keystore.location': keyStore,
  'ssl.truststore.type': 'PEM',
  'ssl.truststore.location': trustStore,
  'ssl.principal.mapping.rules': 'RULE:^.*?CN=([^,]+).*$/$1/,DEFAULT',
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  // Only the node's own two listeners let anyone in without a certificate.
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
  readonly bootstrap: string;
  start(): Promise<KafkaPeer>;
}

const launch = async (
  propertiesFile: string,
  port: number,
  dataDir: string,
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
    await awaitExit(child, 120_000); // a clean stop closes thousands of logs
  };
  return {
    bootstrap: `127.0.0.1:${port}`,
    port,
    pid: child.pid ?? -1,
    dataDir,
    stop: () => end('SIGTERM'),
    kill9: () => end('SIGKILL'),
  };
};

/** Writes the peer's properties and formats its storage. */
export const preparePeer = async (options: KafkaPeerOptions): Promise<PreparedPeer> => {
  const dataDir = join(options.directory, 'data');
  mkdirSync(dataDir, { recursive: true });
  const keyStore = makeKeyStore(options.certsDir, options.directory);
  // The tenant's CA itself is the anchor: JDK 17 throws on the empty DNS name that the chain's name
  // constraints exclude, and it does not apply the constraints of an anchor.
  const trustStore = join(options.directory, 'clients.pem');
  copyFileSync(join(options.certsDir, 'acme', 'ca.crt'), trustStore);
  const ports = {
    tls: await freePort(),
    internal: await freePort(),
    controller: await freePort(),
  };
  const properties = writeProperties(options.directory, 'server', {
    ...brokerProperties(dataDir, ports, keyStore, trustStore),
    ...options.overrides,
  });
  const id = 'QnJlYWt3YXRlclBlZXIwMQ';
  const format = await kafkaCli('kafka-storage', ['format', '-t', id, '-c', properties]);
  if (format.code !== 0) throw new Error(`kafka-storage format failed:\n${format.text}`);
  const bootstrap = `127.0.0.1:${ports.tls}`;
  return { dataDir, bootstrap, start: () => launch(properties, ports.tls, dataDir) };
};
