/**
 * The broker that an interoperability suite talks to: Breakwater, or, with
 * BREAKWATER_TEST_BROKER=kafka, a real Apache Kafka with the same rules. The second form checks the
 * tests: what fails there is the test's fault.
 */
import { join } from 'node:path';
import { preparePeer } from '../../bench/kafka-peer/kafka-peer.ts';
import { ensureDevCertificates } from '../../src/pki/dev-certificates.ts';
import { startBroker } from './broker-process.ts';
import {
  type ClientIdentity,
  clientIdentity,
  javaProperties,
  writeProperties,
} from './client-identity.ts';
import { runJava } from './java.ts';
import { removeDirectory, temporaryDirectory } from './temporary-directory.ts';
import type { ToolName } from './tool-detection.ts';

/** True when the suites run against Apache Kafka instead of Breakwater. */
export const againstKafka = process.env.BREAKWATER_TEST_BROKER === 'kafka';

/** What the broker under test itself needs. */
export const brokerTools: readonly ToolName[] = againstKafka ? ['java-tools'] : ['built-broker'];

export interface BrokerUnderTest {
  readonly bootstrap: string;
  readonly port: number;
  readonly pid: number;
  /** Directory with the folders `<topic>-<partition>`; names are physical ones. */
  readonly dataDir: string;
  /** Removed by `dispose`; for the test's own files. */
  readonly workDir: string;
  /** Files of `name` in `tenant` (acme unless told; Kafka itself has no other). */
  identity(name: string, tenant?: string): ClientIdentity;
  /** Path of a Java properties file for that client, with `extra` settings. */
  javaClient(name: string, extra?: Readonly<Record<string, string>>, tenant?: string): string;
  /** What the broker printed; empty for Kafka. */
  log(): string;
  dispose(): Promise<void>;
}

type Core = Pick<BrokerUnderTest, 'bootstrap' | 'port' | 'pid' | 'dataDir' | 'log'> & {
  readonly certsDir: string;
  end(): Promise<void>;
};

const startBreakwater = async (): Promise<Core> => {
  const broker = await startBroker();
  return {
    bootstrap: broker.bootstrap,
    port: broker.port,
    pid: broker.pid,
    dataDir: broker.dataDir,
    certsDir: broker.certsDir,
    log: () => broker.stdout() + broker.stderr(),
    end: () => broker.dispose(),
  };
};

const startKafka = async (workDir: string): Promise<Core> => {
  const certsDir = join(workDir, 'certs');
  await ensureDevCertificates(certsDir);
  const peer = await preparePeer({ directory: join(workDir, 'kafka'), certsDir });
  const running = await peer.start();
  const admin = clientIdentity(certsDir, 'acme', 'admin-1');
  const properties = writeProperties(workDir, 'set-up', javaProperties(admin, running.bootstrap));
  const setUp = await runJava('PeerSetUp', [properties]);
  if (setUp.code !== 0) {
    await running.stop();
    throw new Error(`PeerSetUp failed:\n${setUp.text}`);
  }
  return {
    bootstrap: running.bootstrap,
    port: running.port,
    pid: running.pid,
    dataDir: peer.dataDir,
    certsDir,
    log: () => '',
    end: () => running.stop(),
  };
};

/** Starts the broker that this run tests. */
export const startBrokerUnderTest = async (): Promise<BrokerUnderTest> => {
  const workDir = temporaryDirectory('interop');
  const core = await (againstKafka ? startKafka(workDir) : startBreakwater());
  const identity = (name: string, tenant = 'acme'): ClientIdentity =>
    clientIdentity(core.certsDir, tenant, name);
  let files = 0;
  return {
    bootstrap: core.bootstrap,
    port: core.port,
    pid: core.pid,
    dataDir: core.dataDir,
    workDir,
    identity,
    javaClient: (name, extra = {}, tenant = 'acme') => {
      files += 1;
      const properties = javaProperties(identity(name, tenant), core.bootstrap);
      return writeProperties(workDir, `${tenant}-${name}-${files}`, { ...properties, ...extra });
    },
    log: core.log,
    dispose: async () => {
      await core.end();
      removeDirectory(workDir);
    },
  };
};
