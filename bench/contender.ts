/**
 * The brokers that are compared, behind one shape: Breakwater, and Apache Kafka with the same
 * certificates and equivalent rules.
 *
 * Invariant: a contender starts on an empty directory of its own and, stopped, leaves nothing
 * running; `restart` keeps its data, so that a start with data can be measured.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startBroker } from '../test/tools/broker-process.ts';
import {
  type ClientIdentity,
  clientIdentity,
  javaProperties,
  writeProperties,
} from '../test/tools/client-identity.ts';
import { freePort } from '../test/tools/free-port.ts';
import { runJava } from '../test/tools/java.ts';
import { preparePeer } from './kafka-peer/kafka-peer.ts';

export type ContenderName = 'breakwater' | 'kafka';

export interface RunningContender {
  readonly name: ContenderName;
  readonly bootstrap: string;
  readonly pid: number;
  /** The end of what the broker has logged. */
  log(): string;
  stop(): Promise<void>;
}

export interface PreparedContender {
  readonly name: ContenderName;
  readonly bootstrap: string;
  /** Spawns the broker; resolves when its port answers or its ready line is there. */
  start(): Promise<RunningContender>;
}

/** Client certificates of the benchmark: tenant acme of a development PKI. */
export const benchIdentity = (certsDir: string, name: string): ClientIdentity =>
  clientIdentity(certsDir, 'acme', name);

/** Path of a properties file for Java clients of this broker. */
export const javaClientFile = (
  certsDir: string,
  workDir: string,
  bootstrap: string,
  name: string,
): string => {
  const properties = javaProperties(benchIdentity(certsDir, name), bootstrap);
  return writeProperties(workDir, `${name}-${bootstrap.split(':')[1]}`, properties);
};

const prepareBreakwater = async (workDir: string, certsDir: string): Promise<PreparedContender> => {
  const [port, adminPort] = [await freePort(), await freePort()];
  const options = { port, adminPort, certsDir, dataDir: join(workDir, 'breakwater') };
  return {
    name: 'breakwater',
    bootstrap: `127.0.0.1:${port}`,
    start: async () => {
      const broker = await startBroker({ ...options, env: { BREAKWATER_LOG_LEVEL: 'warn' } });
      return {
        name: 'breakwater',
        bootstrap: broker.bootstrap,
        pid: broker.pid,
        log: () => broker.stderr().slice(-2000),
        stop: async () => {
          await broker.stop();
        },
      };
    },
  };
};

const prepareKafka = async (workDir: string, certsDir: string): Promise<PreparedContender> => {
  const peer = await preparePeer({ directory: join(workDir, 'kafka'), certsDir });
  let isSetUp = false;
  return {
    name: 'kafka',
    bootstrap: peer.bootstrap,
    start: async () => {
      const running = await peer.start();
      if (!isSetUp) {
        const client = javaClientFile(certsDir, workDir, running.bootstrap, 'admin-1');
        const result = await runJava('PeerSetUp', [client]);
        if (result.code !== 0) {
          await running.stop();
          throw new Error(`PeerSetUp failed:\n${result.text}`);
        }
        isSetUp = true;
      }
      return { name: 'kafka', ...running, log: () => '' };
    },
  };
};

/** A contender with an empty data directory below `workDir`. */
export const prepareContender = (
  name: ContenderName,
  workDir: string,
  certsDir: string,
): Promise<PreparedContender> =>
  name === 'kafka' ? prepareKafka(workDir, certsDir) : prepareBreakwater(workDir, certsDir);

/** Peak resident memory of a process in MB (VmHWM). */
export const peakMemoryMb = (pid: number): number => {
  const match = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Math.round(Number(match?.[1] ?? 0) / 1024);
};

/** Processor time that a process has used, user and system, in seconds. */
export const cpuSeconds = (pid: number): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticksPerSecond = 100;
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
};
