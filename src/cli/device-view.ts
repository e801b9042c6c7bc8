/**
 * `breakwater device list|show`: the fleet view of a running broker. `show` answers why a device
 * cannot connect: what stands against it, its last failures, its certificate; and where the PKI
 * folder is at hand, which certificate it was given last.
 */
import { join } from 'node:path';
import type { Command } from 'commander';
import { systemClock } from '../base/clock.ts';
import { fileExists } from '../base/credential-files.ts';
import { readIssued } from '../pki/issue-record.ts';
import { openPki } from '../pki/pki-directory.ts';
import {
  type AdminClient,
  addConnectionOptions,
  type ConnectionOptions,
  certsDirOf,
  pathOf,
  withAdmin,
} from './admin-client.ts';
import { asObject, cell, dateCell, listIn } from './answer-fields.ts';
import { UsageError } from './command-error.ts';
import { printJson, printLine, printTable } from './output.ts';

interface Options extends ConnectionOptions {
  readonly tenant: string;
  readonly json?: boolean;
}

interface ListOptions extends Options {
  readonly fleet?: string;
  readonly state?: string;
  readonly seenSince?: string;
  readonly software?: string;
  readonly prefix?: string;
  readonly limit: string;
}

type Json = Readonly<Record<string, unknown>>;

const PAGE = 1000;
const UNIT_MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

export function registerDeviceView(group: Command): void {
  const add = (command: Command): Command =>
    addConnectionOptions(
      command.requiredOption('--tenant <tenant>', 'the tenant').option('--json', 'print JSON'),
    );
  add(group.command('list'))
    .description('list what was seen of the devices, services and users of a tenant')
    .option('--fleet <fleet>', 'only devices of a fleet')
    .option(
      '--state <state>',
      'active, suspended, quarantined, revoked, banned, expired, connected or disconnected',
    )
    .option('--seen-since <duration>', 'only those seen in the last 30s, 10m, 1h, 7d')
    .option('--software <name[/version]>', 'what the software of the client begins with')
    .option('--prefix <text>', 'what the name begins with')
    .option('--limit <n>', 'the most to list', '1000')
    .action((options: ListOptions) => list(options));
  add(group.command('show').argument('<name>'))
    .description('show what is known of one, and why it cannot connect')
    .action((name: string, options: Options) => show(name, options));
}

async function list(options: ListOptions): Promise<void> {
  if (!/^[1-9]\d{0,6}$/.test(options.limit)) throw new UsageError('--limit is a number from 1 on');
  const limit = Number(options.limit);
  const query = queryOf(options);
  const { devices, isCut } = await withAdmin(options, (client) =>
    collect(client, options.tenant, query, limit),
  );
  if (options.json === true) {
    printJson(devices);
    return;
  }
  const rows = devices.map((device) => [
    cell(device, 'name'),
    cell(device, 'fleet'),
    cell(device, 'state'),
    cell(device, 'connections'),
    dateCell(device, 'lastSeenMs'),
    cell(device, 'address'),
    softwareCell(device),
    cell(device, 'denials'),
    cell(device, 'authenticationFailures'),
  ]);
  const header = ['NAME', 'FLEET', 'STATE', 'CONN', 'LAST SEEN', 'ADDRESS', 'SOFTWARE', 'DENIED'];
  printTable([...header, 'FAILED'], rows, 'nobody was seen that matches');
  if (isCut) printLine(`the first ${limit}: there are more (--limit, or a filter)`);
}

function queryOf({ fleet, state, seenSince, software, prefix }: ListOptions): URLSearchParams {
  const query = new URLSearchParams();
  const given = { fleet, state, software, prefix };
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined) query.set(name, value);
  }
  if (seenSince !== undefined) {
    const [, count, unit] = /^([1-9][0-9]{0,6})([smhd])$/.exec(seenSince) ?? [];
    if (unit === undefined) {
      throw new UsageError('--seen-since is a number and a unit: 30s, 10m, 1h, 7d');
    }
    const agoMs = Number(count) * UNIT_MS[unit as keyof typeof UNIT_MS];
    query.set('seenSinceMs', String(Math.max(0, systemClock.nowMs() - agoMs)));
  }
  return query;
}

/** Page after page; those that match may lie far apart, so that a page may be empty. */
async function collect(
  client: AdminClient,
  tenant: string,
  query: URLSearchParams,
  limit: number,
): Promise<{ devices: readonly Json[]; isCut: boolean }> {
  const devices: Json[] = [];
  for (;;) {
    query.set('limit', String(Math.min(PAGE, limit - devices.length)));
    const path = `${pathOf('v1', 'tenants', tenant, 'devices')}?${query}`;
    const page = await client.call('GET', path);
    for (const device of listIn(page, 'devices')) devices.push(device);
    const { next } = asObject(page);
    if (typeof next !== 'string') return { devices, isCut: false };
    if (devices.length >= limit) return { devices, isCut: true };
    query.set('cursor', next);
  }
}

async function show(name: string, options: Options): Promise<void> {
  const path = pathOf('v1', 'tenants', options.tenant, 'devices', name);
  const device = asObject(await withAdmin(options, (client) => client.call('GET', path)));
  const issued = lastIssued(options, name);
  if (options.json === true) {
    printJson({ ...device, lastIssued: issued });
    return;
  }
  for (const [label, value] of linesOf(device, issued)) printLine(`${label.padEnd(18)}${value}`);
  const obstacles = listIn(device, 'obstacles');
  printLine('');
  printLine(obstacles.length === 0 ? 'Nothing stands against it.' : 'It would be refused now:');
  for (const obstacle of obstacles) {
    printLine(`  ${cell(obstacle, 'state')}: ${cell(obstacle, 'detail')}`);
  }
  const failures = listIn(device, 'failures').map((failure) => [
    dateCell(failure, 'atMs'),
    cell(failure, 'address'),
    cell(failure, 'reason'),
    cell(failure, 'detail'),
  ]);
  printLine('');
  printTable(['FAILED AT', 'FROM', 'REASON', 'DETAIL'], failures, 'no authentication failed');
  printTelemetry(device);
}

function linesOf(device: Json, issued: Issued | null): [string, string][] {
  const certificate = asObject(device.certificate);
  const disconnect = asObject(device.lastDisconnect);
  const given =
    issued === null ? '-' : `${issued.serial}, until ${dateCell({ ...issued }, 'expiresAtMs')}`;
  return [
    ['name', `${cell(device, 'name')} (${cell(device, 'kind')} of ${cell(device, 'tenant')})`],
    ['fleet', cell(device, 'fleet')],
    ['state', cell(device, 'state')],
    ['connections', `${cell(device, 'connections')} now, ${cell(device, 'connects')} so far`],
    ['first seen', dateCell(device, 'firstSeenMs')],
    ['last seen', dateCell(device, 'lastSeenMs')],
    ['address', cell(device, 'address')],
    ['authenticated by', cell(device, 'authentication')],
    ['client id', cell(device, 'clientId')],
    ['software', softwareCell(device)],
    ['certificate', `${cell(certificate, 'serial')}, until ${dateCell(certificate, 'expiresMs')}`],
    ['issued last', given],
    ['bytes in, out', `${cell(device, 'bytesIn')}, ${cell(device, 'bytesOut')}`],
    ['requests', `${cell(device, 'requests')}, denied accesses: ${cell(device, 'denials')}`],
    ['failures', cell(device, 'authenticationFailures')],
    ['last disconnect', `${dateCell(disconnect, 'atMs')} ${cell(disconnect, 'reason')}`],
    ['telemetry', dateCell(device, 'telemetryMs')],
  ];
}

function printTelemetry(device: Json): void {
  for (const instance of listIn(device, 'telemetry')) {
    printLine('');
    printLine(`client instance ${cell(instance, 'instanceId')}, ${dateCell(instance, 'pushedMs')}`);
    const rows = listIn(instance, 'metrics').map((metric) => [
      cell(metric, 'name'),
      cell(metric, 'labels'),
      cell(metric, 'value'),
    ]);
    printTable(['METRIC', 'LABELS', 'VALUE'], rows, 'no metrics');
  }
}

function softwareCell(device: Json): string {
  const name = cell(device, 'softwareName');
  return name === '-' ? '-' : `${name} ${cell(device, 'softwareVersion')}`;
}

interface Issued {
  readonly serial: string;
  readonly expiresAtMs: number;
}

/** The certificate that was issued to the name last, by the PKI folder; null: none is at hand. */
function lastIssued(options: Options, name: string): Issued | null {
  const dir = certsDirOf(options);
  if (!fileExists(join(dir, 'pki.json'))) return null;
  try {
    const found = readIssued(openPki(dir), options.tenant).findLast((one) => one.name === name);
    return found === undefined ? null : { serial: found.serial, expiresAtMs: found.expiresAtMs };
  } catch {
    // The folder is not this tenant's, or not for this user: the broker's word is enough.
    return null;
  }
}
