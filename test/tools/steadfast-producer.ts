/**
 * The Java producer that keeps on producing through broker crashes (SteadfastProducer.java), and
 * its log of outcomes in the consistency checker's terms.
 */
import { awaitExit } from './child-process.ts';
import type { SendOutcome } from './consistency-checker.ts';
import { spawnJava } from './java.ts';

export interface SteadfastOptions {
  /** Names the producer in the history and begins each of its values. */
  readonly name: string;
  readonly propertiesFile: string;
  readonly topic: string;
  readonly partitions: number;
  /** Sends that are on their way at a time. */
  readonly inFlight: number;
  /** More settings of the Java producer, as `name=value`. */
  readonly settings: readonly string[];
}

export interface SteadfastProducer {
  /** Sends acknowledged so far. */
  acknowledged(): number;
  /** Lets it finish what is on its way; resolves to the outcome of every send. */
  finish(): Promise<SendOutcome[]>;
}

const outcomeOf = (line: string): SendOutcome | undefined => {
  const match = /^(ok|unknown) (\d+) (-?\d+) ((.+)-(\d+))$/.exec(line);
  if (match === null) return undefined;
  const [, outcome, partition, offset, value = '', producer = '', sequence] = match;
  const send = { producer, value, sequence: Number(sequence), partition: Number(partition) };
  return outcome === 'ok'
    ? { ...send, outcome: 'ok', offset: Number(offset) }
    : { ...send, outcome: 'unknown' };
};

export const startSteadfastProducer = (options: SteadfastOptions): SteadfastProducer => {
  const { propertiesFile, topic, partitions, name, inFlight, settings } = options;
  const args = [propertiesFile, topic, String(partitions), name, String(inFlight), ...settings];
  const child = spawnJava('SteadfastProducer', args);
  const outcomes: SendOutcome[] = [];
  let acknowledged = 0;
  let sent: number | undefined;
  let rest = '';
  let errors = '';
  const take = (line: string): void => {
    const done = /^done (\d+)$/.exec(line);
    if (done !== null) sent = Number(done[1]);
    const outcome = outcomeOf(line);
    if (outcome === undefined) return;
    outcomes.push(outcome);
    if (outcome.outcome === 'ok') acknowledged += 1;
  };
  child.stdout?.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString('utf8')).split('\n');
    rest = lines.pop() ?? '';
    lines.forEach(take);
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString('utf8')).slice(-4000);
  });
  return {
    acknowledged: () => acknowledged,
    finish: async () => {
      const closed = new Promise((resolve) => child.once('close', resolve));
      child.stdin?.end('\n');
      const code = await awaitExit(child, 60_000);
      await closed;
      if (code !== 0 || sent !== outcomes.length) {
        const counts = `${outcomes.length} outcomes of ${sent} sends`;
        throw new Error(`producer ${name} ended with ${code}, ${counts}\n${errors}`);
      }
      return outcomes;
    },
  };
};
