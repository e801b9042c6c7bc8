/**
 * `breakwater status`: what a running broker says of itself. Exits 1 when one of its checks has
 * failed, so that it serves as a probe.
 */
import type { Command } from 'commander';
import { addConnectionOptions, type ConnectionOptions, pathOf, withAdmin } from './admin-client.ts';
import { asObject, cell, dateCell, listIn } from './answer-fields.ts';
import { CommandError } from './command-error.ts';
import { printJson, printLine, printTable } from './output.ts';

interface Options extends ConnectionOptions {
  readonly json?: boolean;
}

export function registerStatus(program: Command): void {
  addConnectionOptions(program.command('status'))
    .description('show the state of a running broker; exit code 1 when it is not ready')
    .option('--json', 'print JSON')
    .action((options: Options) => status(options));
}

async function status(options: Options): Promise<void> {
  const answer = await withAdmin(options, (client) => client.call('GET', pathOf('v1', 'status')));
  if (options.json === true) printJson(answer);
  else printStatus(answer);
  const failed = listIn(answer, 'checks').filter(({ state }) => state === 'failed');
  if (failed.length > 0) {
    const names = failed.map((check) => cell(check, 'name')).join(', ');
    throw new CommandError(`not ready: ${names} (the log of the broker says more)`);
  }
}

function printStatus(answer: unknown): void {
  const report = asObject(answer);
  const mtls = asObject(report.mtls);
  const policy = asObject(report.policy);
  const certificates = asObject(report.certificates);
  printLine(`version       ${cell(report, 'version')} on Node ${cell(report, 'nodeVersion')}`);
  printLine(`node id       ${cell(report, 'nodeId')}`);
  printLine(`started       ${dateCell(report, 'startedAtMs')}`);
  const where = `${cell(mtls, 'host')} port ${cell(mtls, 'port')}`;
  printLine(`clients       ${where}, ${cell(mtls, 'connections')} connections`);
  const rules = `${cell(policy, 'fileRules')} in files, ${cell(policy, 'dynamicRules')} dynamic`;
  printLine(`rules         ${rules}, loaded ${dateCell(policy, 'loadedAtMs')}`);
  printLine(`certificate   expires ${dateCell(certificates, 'serverExpiresAtMs')}`);
  const checks = listIn(answer, 'checks').map((check) => [
    cell(check, 'name'),
    cell(check, 'state'),
    cell(check, 'reason'),
  ]);
  printTable(['CHECK', 'STATE', 'REASON'], checks, 'no checks');
}
