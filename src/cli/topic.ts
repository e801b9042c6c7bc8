/** `breakwater topic create|list|describe|delete --tenant T`. */
import type { Command } from 'commander';
import { addConnectionOptions, type ConnectionOptions, pathOf, withAdmin } from './admin-client.ts';
import { asObject, cell, listIn } from './answer-fields.ts';
import { UsageError } from './command-error.ts';
import { counted, printJson, printLine, printTable } from './output.ts';

interface Options extends ConnectionOptions {
  readonly tenant: string;
  readonly json?: boolean;
}

interface CreateOptions extends Options {
  readonly partitions?: number;
  readonly topicConfig: readonly string[];
}

export function registerTopic(program: Command): void {
  const group = program.command('topic').description('topics of a tenant');
  const add = (command: Command): Command =>
    addConnectionOptions(command)
      .requiredOption('--tenant <name>', 'whose topic')
      .option('--json', 'print JSON');
  add(group.command('create').argument('<topic>'))
    .description('create a topic')
    .option('--partitions <n>', "how many (default: the broker's num.partitions)", parseCount)
    .option('--topic-config <key=value>', 'a topic setting; may be repeated', collect, [])
    .action((topic: string, options: CreateOptions) => create(topic, options));
  add(group.command('list'))
    .description('list the topics')
    .action((options: Options) => list(options));
  add(group.command('describe').argument('<topic>'))
    .description('show partitions and settings of a topic')
    .action((topic: string, options: Options) => describe(topic, options));
  add(group.command('delete').argument('<topic>'))
    .description('delete a topic with all its records')
    .action((topic: string, options: Options) => remove(topic, options));
}

const collect = (value: string, earlier: readonly string[]): string[] => [...earlier, value];

/** The largest that `max.partitions.per.topic` can be set to; the broker's own limit is lower. */
const PARTITIONS_MAX = 1_000_000;

function parseCount(text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text) && Number(text) <= PARTITIONS_MAX) return Number(text);
  throw new UsageError('--partitions must be a number from 1 to 1000000');
}

function parseConfigs(texts: readonly string[]): Record<string, string> {
  const pairs = texts.map((text): [string, string] => {
    const equals = text.indexOf('=');
    if (equals <= 0) throw new UsageError('write --topic-config as key=value');
    return [text.slice(0, equals), text.slice(equals + 1)];
  });
  return Object.fromEntries(pairs);
}

const pathTo = (tenant: string, ...topic: readonly string[]): string =>
  pathOf('v1', 'tenants', tenant, 'topics', ...topic);

async function create(topic: string, options: CreateOptions): Promise<void> {
  const { tenant, partitions } = options;
  const body = {
    name: topic,
    ...(partitions === undefined ? {} : { partitions }),
    configs: parseConfigs(options.topicConfig),
  };
  const answer = await withAdmin(options, (client) => client.call('POST', pathTo(tenant), body));
  if (options.json === true) printJson(answer);
  else {
    const made = counted(cell(asObject(answer), 'partitions'), 'partition');
    printLine(`topic ${topic} of ${tenant}: ${made}`);
  }
}

async function list(options: Options): Promise<void> {
  const answer = await withAdmin(options, (client) =>
    client.all(pathTo(options.tenant), {}, ['topics']),
  );
  if (options.json === true) {
    printJson(answer);
    return;
  }
  const rows = listIn(answer, 'topics').map((topic) => [
    cell(topic, 'name'),
    cell(topic, 'partitions'),
    cell(topic, 'topicId'),
  ]);
  printTable(['TOPIC', 'PARTITIONS', 'ID'], rows, 'no topics');
}

async function describe(topic: string, options: Options): Promise<void> {
  const path = pathTo(options.tenant, topic);
  const answer = await withAdmin(options, (client) => client.call('GET', path));
  if (options.json === true) {
    printJson(answer);
    return;
  }
  const details = asObject(answer);
  printLine(`topic ${cell(details, 'name')}, id ${cell(details, 'topicId')}`);
  const partitions = listIn(answer, 'partitionStates').map((state) => [
    cell(state, 'partition'),
    cell(state, 'leader'),
    cell(state, 'leaderEpoch'),
    state.online === true ? 'online' : 'OFFLINE',
  ]);
  printTable(['PARTITION', 'LEADER', 'EPOCH', 'STATE'], partitions, 'no partitions');
  const settings = listIn(answer, 'configs').map((config) => [
    cell(config, 'name'),
    cell(config, 'value'),
    config.isDefault === true ? 'default' : 'topic',
  ]);
  printTable(['SETTING', 'VALUE', 'FROM'], settings, 'no settings');
}

async function remove(topic: string, options: Options): Promise<void> {
  const path = pathTo(options.tenant, topic);
  await withAdmin(options, (client) => client.call('DELETE', path));
  if (options.json === true) printJson({ deleted: topic });
  else printLine(`topic ${topic} of ${options.tenant} is deleted`);
}
