/** `breakwater policy diff BEFORE AFTER`: what came, what went, and which decisions that changes. */
import type { Command } from 'commander';
import type { AuthorizationResult } from '../security/authorizer.ts';
import type { Flip } from '../security/policy-diff.ts';
import { CommandError } from './command-error.ts';
import { addPolicyOptions, openOfflinePolicy, type PolicyOptions } from './offline-policy.ts';
import { counted, printJson, printLine } from './output.ts';

export function registerPolicyDiff(group: Command): void {
  const command = group
    .command('diff')
    .description(
      'compare two folders of policy files: rules, and decisions that come out otherwise',
    )
    .argument('<before>', 'a folder of policy files')
    .argument('<after>', 'another one');
  addPolicyOptions(command).action((before: string, after: string, options: PolicyOptions) =>
    diffPolicies(before, after, options),
  );
}

async function diffPolicies(
  beforeDirectory: string,
  afterDirectory: string,
  options: PolicyOptions,
): Promise<void> {
  const before = await openOfflinePolicy(beforeDirectory, options);
  const after = await openOfflinePolicy(afterDirectory, options);
  const { changesBetween, flipsOf, questionsAbout } = await import('../security/policy-diff.ts');
  const { ruleOrigin, ruleText } = await import('../security/policy-rule.ts');
  if (before.text === null || after.text === null) {
    throw new CommandError("policies of the operator's own model cannot be compared");
  }
  const changes = changesBetween(before.text, after.text);
  const { questions, isCut } = questionsAbout(before.text, after.text);
  const flips = flipsOf(questions, before.authorizer, after.authorizer).map(flipFields);
  for (const { authorizer } of [before, after]) authorizer.close();
  const lines = [
    ...changes.removedRules.map((rule) => ({
      sign: '-',
      at: ruleOrigin(rule),
      text: ruleText(rule),
    })),
    ...changes.addedRules.map((rule) => ({
      sign: '+',
      at: ruleOrigin(rule),
      text: ruleText(rule),
    })),
    ...[changes.removedLinks, changes.addedLinks].flatMap((links, index) =>
      links.map(({ member, role, domain, file, line }) => ({
        sign: index === 0 ? '-' : '+',
        at: `${file}:${line}`,
        text: `g, ${member}, ${role}, ${domain}`,
      })),
    ),
  ];
  if (options.json === true) {
    printJson({ changes: lines, asked: questions.length, isCut, flips });
    return;
  }
  for (const { sign, at, text } of lines) printLine(`${sign} ${text}  (${at})`);
  for (const flip of flips) printLine(flipText(flip));
  const cut = isCut ? ', of more that could be asked' : '';
  printLine(
    `${counted(lines.length, 'line')} changed; of ${counted(questions.length, 'question')} about them${cut}, ${flips.length} come out otherwise`,
  );
}

type FlipFields = ReturnType<typeof flipFields>;

function flipFields({ principal, host, action, before, after }: Flip) {
  const { tenant, kind, name, fleet } = principal;
  return {
    tenant: kind === 'operator' ? null : tenant,
    principal: `User:${name}`,
    fleet,
    host,
    ...action,
    before: side(before),
    after: side(after),
  };
}

const side = ({ allowed, origin }: AuthorizationResult) => ({ allowed, origin });

function flipText(flip: FlipFields): string {
  const { tenant, principal, fleet, host, operation, resourceType, resourceName } = flip;
  const who = `${tenant ?? '(operator)'}/${principal}${fleet === null ? '' : ` of Fleet:${fleet}`}`;
  const verdicts = [flip.before, flip.after].map(sideText).join(' -> ');
  return `! ${who} ${operation} ${resourceType} ${resourceName} from ${host}: ${verdicts}`;
}

/** `allowed (acme.csv:3)`, `denied (no rule)`. */
export const sideText = ({
  allowed,
  origin,
}: {
  allowed: boolean;
  origin: string | null;
}): string => `${allowed ? 'allowed' : 'denied'} (${origin ?? 'no rule'})`;
