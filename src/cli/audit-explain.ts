/**
 * `breakwater audit explain ID`: what one record of the access log says, in sentences. Offline, on
 * the files. ID is `<stream>:<seq>`: `security:12` is the record with `"seq":12` of the security stream.
 */
import type { Command } from 'commander';
import { auditFiles, BlockSource } from '../audit/audit-blocks.ts';
import { AUDIT_STREAMS } from '../audit/audit-query.ts';
import { readAuditLines } from '../audit/audit-reader.ts';
import { fileOfSequence } from '../audit/audit-scan.ts';
import { nodeFileSystem } from '../base/file-system.ts';
import { operationOf, resourceTypeOf } from '../security/acl/operation.ts';
import { caller } from '../security/policy-diff.ts';
import { cell } from './answer-fields.ts';
import { auditDirectory } from './audit-verify.ts';
import { CommandError, UsageError } from './command-error.ts';
import { loadFromOptions } from './configuration-options.ts';
import { devDefaults } from './dev-defaults.ts';
import { addPolicyOptions, openOfflinePolicy, type PolicyOptions } from './offline-policy.ts';
import { printJson, printLine } from './output.ts';

type AuditRecord = Readonly<Record<string, unknown>>;

interface Options extends PolicyOptions {
  readonly audit?: string;
  readonly dir?: string;
  readonly policy?: string;
}

export function registerAuditExplain(group: Command): void {
  const command = group
    .command('explain')
    .description('say in sentences what a record tells, and what the policy files say today')
    .argument('<id>', '<stream>:<seq>, for example security:12')
    .option('--dir <dir>', 'the audit folder (default: that of the configuration)')
    .option('--audit <path>', 'the same, or one file of it')
    .option(
      '--policy <dir>',
      'default: policy.dir of the configuration, else the development policy',
    );
  addPolicyOptions(command).action((id: string, options: Options) => explain(id, options));
}

async function explain(id: string, options: Options): Promise<void> {
  const match = /^(security|access):(0|[1-9][0-9]{0,15})$/.exec(id);
  if (match === null) throw new UsageError(`"${id}" is not security:<seq> or access:<seq>`);
  const [, stream, sequence] = match;
  const { config } = await loadFromOptions(options, devDefaults());
  const path = options.audit ?? auditDirectory(options, config);
  const found = await recordOf(path, stream!, Number(sequence));
  if (found === null) throw new CommandError(`${path} holds no record ${id}: it may be too old`);
  const { file, line, record } = found;
  const today = record.type === 'access' ? await todayFor(record, options) : null;
  const sentences = sentencesOf(record);
  if (options.json === true) printJson({ id, file, line, record, sentences, today });
  else {
    for (const sentence of sentences) printLine(sentence);
    if (today !== null) printLine(`By the policy files of today: ${today}`);
    printLine(`(${file}, line ${line})`);
  }
}

async function recordOf(path: string, stream: string, sequence: number) {
  const file = fileWith(path, stream, sequence);
  for await (const found of readAuditLines(nodeFileSystem, file)) {
    if (found.record === null || found.record.seq !== sequence) continue;
    if (found.stream === stream) return found;
  }
  return null;
}

/** The one file of a folder that may hold it, where its neighbours tell; else the folder. */
function fileWith(path: string, stream: string, sequence: number): string {
  if (nodeFileSystem.statSync(path)?.isDirectory !== true) return path;
  const of = AUDIT_STREAMS.find((name) => name === stream);
  if (of === undefined) return path;
  const source = new BlockSource({ files: nodeFileSystem });
  const found = fileOfSequence(source, auditFiles(nodeFileSystem, path, of), sequence);
  return found?.path ?? path;
}

/** Dynamic rules and an external authorizer are the broker's: `acl explain` asks it. */
async function todayFor(record: AuditRecord, options: PolicyOptions & Options) {
  const operation = operationOf(record.operation);
  const resourceType = resourceTypeOf(record.resourceType);
  const { tenant, principal, fleet, address, resource } = record;
  const isClient = typeof tenant === 'string' && typeof principal === 'string';
  const isWhole = operation !== undefined && resourceType !== undefined;
  if (!isClient || !isWhole || typeof resource !== 'string') return null;
  const who = caller(tenant, principal.replace(/^User:/, ''), asText(fleet));
  const action = { operation, resourceType, resourceName: resource };
  const { authorizer } = await openOfflinePolicy(options.policy, options);
  const { sentence } = authorizer.explain(who, asText(address) ?? '', action);
  authorizer.close();
  return `${sentence} Rules of the ACL API are not in the files: "acl explain" asks the broker.`;
}

const asText = (value: unknown): string | null => (typeof value === 'string' ? value : null);

/** What the record says; a field of a later version is left out. */
export function sentencesOf(record: AuditRecord): string[] {
  const sentences = [record.type === 'access' ? accessSentence(record) : eventSentence(record)];
  if (record.detail !== undefined) sentences.push(cell(record, 'detail'));
  if (typeof record.count === 'number') {
    const between = `${cell(record, 'first')} and ${cell(record, 'last')}`;
    sentences.push(`The record stands for ${record.count} of them, between ${between}.`);
  }
  return sentences;
}

function accessSentence(record: AuditRecord): string {
  if (record.api === undefined) {
    return `At ${cell(record, 'time')} ${who(record)} was denied (${cell(record, 'reason')}) so often that only the number was kept.`;
  }
  const verdict = record.decision === 'allow' ? 'was allowed' : 'was denied';
  const what = `${cell(record, 'operation')} on ${cell(record, 'resourceType')} "${cell(record, 'resource')}"`;
  const asking = `in ${cell(record, 'api')} version ${cell(record, 'apiVersion')}, client id ${cell(record, 'clientId')}`;
  return `At ${cell(record, 'time')} ${who(record)} ${verdict} ${what} ${asking}: ${why(record)}.`;
}

function why({ rule, origin, decision, rolePath }: AuditRecord): string {
  if (typeof rule === 'string' && typeof origin === 'string') {
    const path = Array.isArray(rolePath) ? `, through ${rolePath.map(String).join(' -> ')}` : '';
    return `the rule "${rule}" (${origin}) decided${path}`;
  }
  if (typeof rule === 'string') return rule;
  if (origin === 'error')
    return "a decision failed inside, which is a deny; the broker's log says why";
  if (typeof origin === 'string') return `decided by ${origin}`;
  return decision === 'allow' ? 'no rule was needed' : 'no rule allowed it';
}

function eventSentence(record: AuditRecord): string {
  const { type, reason } = record;
  const failed = record.outcome === 'failure' ? 'failed, ' : '';
  const facts =
    typeof record.facts === 'object' && record.facts !== null
      ? ` (${Object.entries(record.facts)
          .map(([name, value]) => `${name} ${String(value)}`)
          .join(', ')})`
      : '';
  return `At ${cell(record, 'time')} ${who(record)}: ${String(type)}: ${failed}${String(reason)}${facts}.`;
}

function who(record: AuditRecord): string {
  const { tenant, principal, fleet, certificate, address, port, connection } = record;
  const name = typeof principal === 'string' ? principal : 'somebody unknown';
  const of = typeof tenant === 'string' ? ` of tenant ${tenant}` : '';
  const facts = [
    typeof fleet === 'string' && `Fleet:${fleet}`,
    typeof certificate === 'string' && `certificate ${certificate}`,
    typeof address === 'string' && `from ${address}${typeof port === 'number' ? `:${port}` : ''}`,
    typeof connection === 'string' && `connection ${connection}`,
  ].filter((fact) => fact !== false);
  if (typeof principal !== 'string' && facts.length === 0) return 'the broker';
  return `${name}${of}${facts.length === 0 ? '' : ` (${facts.join(', ')})`}`;
}
