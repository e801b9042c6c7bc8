/** `breakwater policy shadow`: what the candidate policy of a running broker would decide otherwise. */
import type { Command } from 'commander';
import { addConnectionOptions, type ConnectionOptions, pathOf, withAdmin } from './admin-client.ts';
import { asObject, cell, dateCell, listIn } from './answer-fields.ts';
import { printJson, printLine, printTable } from './output.ts';

interface Options extends ConnectionOptions {
  readonly json?: boolean;
}

export function registerPolicyShadow(group: Command): void {
  addConnectionOptions(group.command('shadow'))
    .description('show what the policy of policy.shadow.dir would have decided otherwise so far')
    .option('--json', 'print JSON')
    .action((options: Options) => shadow(options));
}

async function shadow(options: Options): Promise<void> {
  const path = pathOf('v1', 'policy', 'shadow');
  const answer = await withAdmin(options, (client) => client.call('GET', path));
  if (options.json === true) {
    printJson(answer);
    return;
  }
  const report = asObject(answer);
  const rows = listIn(answer, 'differences').map((difference) => [
    cell(difference, 'tenant'),
    cell(difference, 'principal'),
    cell(difference, 'fleet'),
    cell(difference, 'host'),
    cell(difference, 'operation'),
    cell(difference, 'resourceType'),
    cell(difference, 'resource'),
    verdict(difference, 'live'),
    verdict(difference, 'candidate'),
    cell(difference, 'count'),
    dateCell(difference, 'lastMs'),
  ]);
  const header = ['TENANT', 'PRINCIPAL', 'FLEET', 'HOST', 'OPERATION', 'TYPE', 'RESOURCE'];
  printTable([...header, 'LIVE', 'CANDIDATE', 'COUNT', 'LAST'], rows, 'no decision differs so far');
  const cut = report.isCut === true ? '; there were more kinds than are kept' : '';
  printLine(`${cell(report, 'differing')} of ${cell(report, 'asked')} decisions differ${cut}`);
  const { refusal } = asObject(report.policy);
  if (refusal !== null && refusal !== undefined) {
    const { file, line, reason } = asObject(refusal);
    printLine(
      `the candidate's newest files are refused: ${String(file)}:${String(line)}: ${String(reason)}`,
    );
  }
}

function verdict(difference: Readonly<Record<string, unknown>>, side: string): string {
  const { allowed, origin } = asObject(difference[side]);
  const by = typeof origin === 'string' ? origin : 'no rule';
  return `${allowed === true ? 'allowed' : 'denied'} (${by})`;
}
