/** `breakwater policy replay --audit PATH --policy DIR`: which past accesses would come out otherwise? */
import type { Command } from 'commander';
import { nodeFileSystem } from '../base/file-system.ts';
import type { AclBinding } from '../security/acl/acl-binding.ts';
import type { CasbinAuthorizer } from '../security/casbin-authorizer.ts';
import type { NotReplayed, ReplayFlip } from '../security/policy-replay.ts';
import { listIn } from './answer-fields.ts';
import { UsageError } from './command-error.ts';
import { addPolicyOptions, openOfflinePolicy, type PolicyOptions } from './offline-policy.ts';
import { counted, printJson, printLine } from './output.ts';
import { sideText } from './policy-diff.ts';

interface Options extends PolicyOptions {
  readonly audit: readonly string[];
  readonly policy: string;
  readonly acls: readonly string[];
}

const WHY: Readonly<Record<NotReplayed, string>> = {
  other: 'are no accesses of a tenant',
  listing: 'are listings, which are filtered name by name',
  operator: "are operators' on the admin API",
  'cut-name': 'have names too long to be recorded whole',
  'dynamic-rule': "were decided by a dynamic rule (--acls TENANT=FILE gives a tenant's)",
  attribute: 'were decided by an attribute of a certificate or token, which is not recorded',
  'no-rule-decision': 'were not decided by rules',
};

export function registerPolicyReplay(group: Command): void {
  const collect = (value: string, earlier: readonly string[]): string[] => [...earlier, value];
  const command = group
    .command('replay')
    .description('ask a policy again what the access log says was asked')
    .requiredOption(
      '--audit <path>',
      'an audit file or the audit folder; may be repeated',
      collect,
      [],
    )
    .requiredOption('--policy <dir>', 'the folder of the new policy')
    .option(
      '--acls <tenant=file>',
      'a tenant\'s dynamic rules, as "acl list --tenant T --json" prints them; may be repeated',
      collect,
      [],
    );
  addPolicyOptions(command).action((options: Options) => replay(options));
}

async function replay(options: Options): Promise<void> {
  const { authorizer } = await openOfflinePolicy(options.policy, options);
  const tenants = giveDynamicRules(authorizer, options.acls);
  const { PolicyReplay } = await import('../security/policy-replay.ts');
  const { readAuditLines } = await import('../audit/audit-reader.ts');
  const past = new PolicyReplay(authorizer, (tenant) => tenants.has(tenant));
  let badLines = 0;
  for (const path of options.audit) {
    for await (const { record } of readAuditLines(nodeFileSystem, path)) {
      if (record === null) badLines += 1;
      else past.add(record);
    }
  }
  authorizer.close();
  const { replayed, isCut, flips } = past;
  const notReplayed = Object.fromEntries(past.skipped);
  if (options.json === true) {
    printJson({ replayed, notReplayed, badLines, isCut, flips });
    return;
  }
  for (const flip of flips.sort((a, b) => b.count - a.count)) printLine(flipText(flip));
  const more = isCut ? ' (and more kinds, which are not listed)' : '';
  printLine(
    `${replayed} accesses asked again: ${counted(flips.length, 'kind')} would come out otherwise${more}`,
  );
  for (const [why, count] of past.skipped) {
    printLine(`not asked again: ${count} that ${WHY[why]}`);
  }
  if (badLines > 0) printLine(`not read: ${counted(badLines, 'line')} that are no records`);
}

function flipText(flip: ReplayFlip): string {
  const { tenant, principal, fleet, host, operation, resourceType, resource, count } = flip;
  const who = `${tenant}/${principal}${fleet === null ? '' : ` of Fleet:${fleet}`}`;
  const verdicts = [flip.before, flip.after].map(sideText).join(' -> ');
  const when = flip.first === flip.last ? flip.first : `${flip.first} to ${flip.last}`;
  return `! ${who} ${operation} ${resourceType} ${resource} from ${host}: ${verdicts}, ${counted(count, 'time')}, ${when}`;
}

/** The tenants whose rules were given. */
function giveDynamicRules(authorizer: CasbinAuthorizer, acls: readonly string[]): Set<string> {
  const tenants = new Set<string>();
  for (const given of acls) {
    const [tenant = '', file] = given.split(/=(.*)/s);
    if (file === undefined) throw new UsageError(`--acls ${given}: it is TENANT=FILE`);
    try {
      authorizer.setDynamicRules(tenant, dynamicBindings(file));
    } catch (error) {
      throw new UsageError(`${file}: ${error instanceof Error ? error.message : 'no rules'}`);
    }
    tenants.add(tenant);
  }
  return tenants;
}

function dynamicBindings(file: string): AclBinding[] {
  const answer: unknown = JSON.parse(nodeFileSystem.readFileSync(file).toString('utf8'));
  return listIn(answer, 'acls')
    .filter(({ origin }) => origin === 'dynamic')
    .map(bindingIn);
}

function bindingIn(rule: Readonly<Record<string, unknown>>): AclBinding {
  const { resourceType, resourceName, patternType, principal, host, operation, permission } = rule;
  const fields = {
    resourceType,
    resourceName,
    patternType,
    principal,
    host,
    operation,
    permission,
  };
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value !== 'string') throw new RangeError(`a rule without ${name}`);
  }
  // setDynamicRules checks every value.
  return fields as AclBinding;
}
