/**
 * Runs Java: Kafka's own command line tools and our drivers, with one class path, a small heap and
 * warnings on standard error (the console tools report refusals only through their log).
 */
import type { ChildProcess } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { type RunOptions, type RunResult, runCommand, spawnReaped } from './child-process.ts';
import { projectRoot } from './project-root.ts';

const classPath = [
  join(projectRoot, '.cache', 'java-classes'),
  join(projectRoot, '.cache', 'kafka-libs', '*'),
].join(delimiter);

/**
 * Options before the class name. The heap is a ceiling, not a reservation; without the optimising
 * compiler a short run takes half the processor time.
 */
const jvmOptions = (heap: string, isLoad: boolean): string[] => [
  '-cp',
  classPath,
  `-Xmx${heap}`,
  ...(isLoad ? [] : ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']),
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
];

/** Script name in Kafka's bin directory -> the class it starts. */
const kafkaTools = {
  'kafka-topics': 'org.apache.kafka.tools.TopicCommand',
  'kafka-configs': 'kafka.admin.ConfigCommand',
  'kafka-client-metrics': 'org.apache.kafka.tools.ClientMetricsCommand',
  'kafka-delegation-tokens': 'org.apache.kafka.tools.DelegationTokenCommand',
  'kafka-acls': 'org.apache.kafka.tools.AclCommand',
  'kafka-console-producer': 'org.apache.kafka.tools.ConsoleProducer',
  'kafka-console-consumer': 'org.apache.kafka.tools.consumer.ConsoleConsumer',
  'kafka-producer-perf-test': 'org.apache.kafka.tools.ProducerPerformance',
  'kafka-consumer-perf-test': 'org.apache.kafka.tools.ConsumerPerformance',
  'kafka-consumer-groups': 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand',
  'kafka-verifiable-producer': 'org.apache.kafka.tools.VerifiableProducer',
  'kafka-verifiable-consumer': 'org.apache.kafka.tools.VerifiableConsumer',
  'kafka-get-offsets': 'org.apache.kafka.tools.GetOffsetShell',
  'kafka-delete-records': 'org.apache.kafka.tools.DeleteRecordsCommand',
  'kafka-dump-log': 'org.apache.kafka.tools.DumpLogSegments',
  'kafka-broker-api-versions': 'org.apache.kafka.tools.BrokerApiVersionsCommand',
  'kafka-log-dirs': 'org.apache.kafka.tools.LogDirsCommand',
  'kafka-leader-election': 'org.apache.kafka.tools.LeaderElectionCommand',
  'kafka-reassign-partitions': 'org.apache.kafka.tools.reassign.ReassignPartitionsCommand',
  'kafka-metadata-quorum': 'org.apache.kafka.tools.MetadataQuorumCommand',
  'kafka-features': 'org.apache.kafka.tools.FeatureCommand',
  'kafka-transactions': 'org.apache.kafka.tools.TransactionsCommand',
  'kafka-cluster': 'org.apache.kafka.tools.ClusterTool',
  'kafka-storage': 'kafka.tools.StorageTool',
} as const;

export type KafkaTool = keyof typeof kafkaTools;

export const kafkaToolClass = (tool: KafkaTool): string => kafkaTools[tool];

export interface JavaOptions extends RunOptions {
  /** Largest heap, in java's notation. Default 512m. */
  readonly heap?: string;
  /** A load that lasts for seconds: with the optimising compiler. Default false. */
  readonly isLoad?: boolean;
  /** More options before the class name. */
  readonly jvmOptions?: readonly string[];
}

/** Runs a class of the class path to its end. */
export const runJava = (
  className: string,
  args: readonly string[],
  options: JavaOptions = {},
): Promise<RunResult> =>
  runCommand(
    'java',
    [
      ...jvmOptions(options.heap ?? '512m', options.isLoad ?? false),
      ...(options.jvmOptions ?? []),
      className,
      ...args,
    ],
    options,
  );

/** Runs one of Kafka's own command line tools to its end. */
export const kafkaCli = (
  tool: KafkaTool,
  args: readonly string[],
  options: JavaOptions = {},
): Promise<RunResult> => runJava(kafkaTools[tool], args, options);

/** Starts a class and leaves it running, its streams piped. The caller ends it. */
export const spawnJava = (className: string, args: readonly string[]): ChildProcess =>
  spawnReaped('java', [...jvmOptions('512m', false), className, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });

/** Arguments that start Kafka's broker as its own start script does: same heap, same collector. */
export const kafkaBrokerArguments = (propertiesFile: string): string[] => [
  ...['-cp', classPath, '-Xms1g', '-Xmx1g', '-server', '-XX:+UseG1GC'],
  ...['-XX:MaxGCPauseMillis=20', '-XX:InitiatingHeapOccupancyPercent=35'],
  ...['-XX:+ExplicitGCInvokesConcurrent', '-Djava.awt.headless=true'],
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
  ...['kafka.Kafka', propertiesFile],
];
