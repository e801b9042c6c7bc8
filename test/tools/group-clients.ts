/**
 * Clients that nobody here wrote, as members of a consumer group, behind one shape: join, tell of
 * each record, commit what was told, leave when asked. Each goes on by itself when the broker ends
 * and comes back.
 */
import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { join } from 'node:path';
import { awaitExit, spawnReaped } from './child-process.ts';
import {
  type ClientIdentity,
  javaProperties,
  kcatConnection,
  writeProperties,
} from './client-identity.ts';
import { kafkajsMember, platformaticMember } from './group-node-clients.ts';
import { kafkaToolClass, spawnJava } from './java.ts';
import { projectRoot } from './project-root.ts';
import { debianPython, type ToolName } from './tool-detection.ts';

export type Deliver = (partition: number, offset: number, value: string) => void;

export interface GroupPlace {
  readonly identity: ClientIdentity;
  readonly bootstrap: string;
  readonly topic: string;
  readonly group: string;
  /** For files of the client. */
  readonly workDir: string;
}

export interface ClientMember {
  /** Leaves the group in the client's own way, and ends. */
  leave(): Promise<void>;
  /** What the client complained of; for messages. */
  complaints(): string;
}

export interface GroupClient {
  readonly name: string;
  readonly tools: readonly ToolName[];
  /** It may commit a record that it has not told of when it leaves, unless there is none to read. */
  readonly leavesOnlyIdle?: boolean;
  join(place: GroupPlace, deliver: Deliver): Promise<ClientMember>;
}

const LEAVE_TIMEOUT_MS = 20_000;
const SESSION_MS = '6000';

/** A member that is a process: prints a line a record, leaves on SIGTERM. */
function processMember(child: ChildProcess, line: RegExp, deliver: Deliver): ClientMember {
  let rest = '';
  let complaints = '';
  const complain = (text: string): void => {
    complaints = (complaints + text).slice(-4000);
  };
  child.stdout?.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString('utf8')).split('\n');
    rest = lines.pop() ?? '';
    for (const text of lines) {
      const match = line.exec(text);
      if (match === null) complain(`${text}\n`);
      else deliver(Number(match[1]), Number(match[2]), match[3] ?? '');
    }
  });
  child.stderr?.on('data', (chunk: Buffer) => complain(chunk.toString('utf8')));
  child.once('error', (error) => complain(error.message));
  child.once('exit', (code, signal) => complain(`ended with ${code ?? signal}\n`));
  const closed = new Promise((resolve) => child.once('close', resolve));
  return {
    complaints: () => complaints,
    async leave() {
      child.kill('SIGTERM');
      await awaitExit(child, LEAVE_TIMEOUT_MS);
      await closed;
    },
  };
}

const plainLine = /^(\d+) (\d+) (.*)$/;

const piped: SpawnOptions = { stdio: ['ignore', 'pipe', 'pipe'] };

const settingsOf = (settings: Readonly<Record<string, string>>): string[] =>
  Object.entries(settings).flatMap(([key, value]) => ['-X', `${key}=${value}`]);

/** librdkafka 2.0.2, which commits by itself. What kcat polls after the signal it does not print. */
const kcat: GroupClient = {
  name: 'kcat -G',
  tools: ['kcat'],
  leavesOnlyIdle: true,
  async join({ identity, bootstrap, topic, group }, deliver) {
    const settings = settingsOf({
      'auto.offset.reset': 'earliest',
      'auto.commit.interval.ms': '200',
      'session.timeout.ms': SESSION_MS,
      'heartbeat.interval.ms': '500',
      'reconnect.backoff.max.ms': '500',
    });
    // -E: losing the broker is no reason to end.
    const how = ['-E', '-q', '-u', '-f', '%p %o %s\\n', '-G', group, topic];
    const args = [...kcatConnection(identity, bootstrap), ...settings, ...how];
    return processMember(spawnReaped('kcat', args, piped), plainLine, deliver);
  },
};

/** A program that is told where to connect in its arguments. */
const program = (name: string, tools: readonly ToolName[], command: string[]): GroupClient => ({
  name,
  tools,
  async join({ identity, bootstrap, topic, group }, deliver) {
    const [file = '', ...first] = command;
    const { caFile, certFile, keyFile } = identity;
    const args = [...first, bootstrap, caFile, certFile, keyFile, topic, group];
    return processMember(spawnReaped(file, args, piped), plainLine, deliver);
  },
});

const pythonScript = join(projectRoot, 'test', 'interop', 'python-consumer', 'consume.py');
const venvPython = join(projectRoot, '.cache', 'kafka-python', 'bin', 'python');
const goProgram = join(projectRoot, '.cache', 'go-consumer', 'go-consumer');

/** Kafka's console consumer, which commits by itself. */
const javaConsole: GroupClient = {
  name: 'kafka-console-consumer',
  tools: ['java-tools'],
  async join({ identity, bootstrap, topic, group, workDir }, deliver) {
    const properties = writeProperties(workDir, 'console', {
      ...javaProperties(identity, bootstrap),
      'auto.offset.reset': 'earliest',
      'auto.commit.interval.ms': '200',
      'session.timeout.ms': SESSION_MS,
      'heartbeat.interval.ms': '500',
      'reconnect.backoff.max.ms': '500',
    });
    const shown = ['print.partition=true', 'print.offset=true'];
    const child = spawnJava(kafkaToolClass('kafka-console-consumer'), [
      ...['--bootstrap-server', bootstrap, '--command-config', properties],
      ...['--topic', topic, '--group', group],
      ...shown.flatMap((property) => ['--formatter-property', property]),
    ]);
    return processMember(child, /^Partition:(\d+)\tOffset:(\d+)\t(.*)$/, deliver);
  },
};

const node = (name: string, member: GroupClient['join']): GroupClient => ({
  name,
  tools: [],
  join: member,
});

export const groupClients: readonly GroupClient[] = [
  kcat,
  node('kafkajs', kafkajsMember),
  node('@platformatic/kafka', platformaticMember),
  program('kafka-python 2.0.2', ['debian-kafka-python'], [debianPython, pythonScript]),
  program('kafka-python 3', ['kafka-python'], [venvPython, pythonScript]),
  program('franz-go', ['go-consumer'], [goProgram]),
  javaConsole,
];
