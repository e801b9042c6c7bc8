/**
 * The benchmark: Breakwater and Apache Kafka in turn (A B A B) in one run on one machine, under the
 * same native loads, with the same certificates and equivalent rules. docs/benchmarks.md tells how
 * to read it.
 *
 *   npm run bench -- [--seconds 4] [--rounds 2] [--connections 16] [--partitions 1,1000]
 *                    [--only breakwater|kafka] [--match TEXT]
 *
 * The last line of its output is one JSON object with all figures.
 */

import { mkdirSync } from 'node:fs';
import { arch, cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureDevCertificates } from '../src/pki/dev-certificates.ts';
import { removeDirectory, temporaryDirectory } from '../test/tools/temporary-directory.ts';
import { type ContenderName, peakMemoryMb, prepareContender } from './contender.ts';
import {
  type BenchPlan,
  createBenchTopics,
  type Figures,
  measurementsOf,
  startToFirstProduce,
  takeMeasurement,
  writeKcatLines,
} from './measures.ts';
import { compareAll, type Round, tableOf } from './report.ts';

interface BenchOptions extends BenchPlan {
  readonly rounds: number;
  readonly contenders: readonly ContenderName[];
  /** Only measurements whose name contains this. */
  readonly match: string;
}

const positive = (name: string, text: string): number => {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name} must be a number above 0, not ${text}`);
  return value;
};

const readOptions = (args: string[], workDir: string): BenchOptions => {
  const { values } = parseArgs({
    args,
    options: {
      seconds: { type: 'string', default: '4' },
      rounds: { type: 'string', default: '2' },
      connections: { type: 'string', default: '16' },
      partitions: { type: 'string', default: '1,1000' },
      only: { type: 'string' },
      match: { type: 'string', default: '' },
    },
  });
  const names = ['breakwater', 'kafka'] as const;
  const contenders = names.filter((name) => values.only === undefined || values.only === name);
  if (contenders.length === 0) throw new Error(`--only takes breakwater or kafka`);
  return {
    seconds: positive('seconds', values.seconds),
    rounds: positive('rounds', values.rounds),
    connections: positive('connections', values.connections),
    partitionCounts: values.partitions.split(',').map((count) => positive('partitions', count)),
    match: values.match,
    contenders,
    certsDir: join(workDir, 'certs'),
    workDir,
  };
};

const runRound = async (
  options: BenchOptions,
  contenderName: ContenderName,
  directory: string,
  kcatLines: string,
): Promise<Figures> => {
  const contender = await prepareContender(contenderName, directory, options.certsDir);
  let running = await contender.start();
  let figures: Figures = {};
  try {
    await createBenchTopics(options, running);
    for (const measurement of measurementsOf(options, running, kcatLines)) {
      if (!measurement[0].includes(options.match)) continue;
      const taken = await takeMeasurement(measurement, running);
      process.stderr.write(`  ${contenderName} ${JSON.stringify(taken)}\n`);
      figures = { ...figures, ...taken };
    }
    figures.peak_memory_mb = peakMemoryMb(running.pid);
    await running.stop();
    const restart = await startToFirstProduce(options, contender);
    running = restart.running;
    figures.start_to_first_produce_ms = restart.milliseconds;
  } finally {
    await running.stop();
  }
  return figures;
};

/** Runs the benchmark and prints its report. */
export const main = async (args: string[]): Promise<void> => {
  const workDir = temporaryDirectory('bench');
  const options = readOptions(args, workDir);
  await ensureDevCertificates(options.certsDir);
  const kcatLines = writeKcatLines(options);
  const rounds: Round[] = [];
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const contender of options.contenders) {
      process.stderr.write(`round ${round} of ${options.rounds}: ${contender}\n`);
      const directory = join(workDir, `${contender}-${round}`);
      mkdirSync(directory);
      const figures = await runRound(options, contender, directory, kcatLines);
      rounds.push({ contender, figures });
      removeDirectory(directory);
    }
  }
  const figures = compareAll(rounds);
  const machine = {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memory_gb: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${release()} ${arch()}`,
    node: process.versions.node,
  };
  const { seconds, connections, rounds: roundCount } = options;
  console.log(tableOf(figures));
  console.log(
    JSON.stringify({ bench: 'peer', machine, seconds, connections, roundCount, figures, rounds }),
  );
  removeDirectory(workDir);
};
