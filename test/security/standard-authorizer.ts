/**
 * Apache Kafka's StandardAuthorizer and ours on the same rules: the matrix of resource type, pattern,
 * operation, permission and host, and the script that test/tools/java/src/AuthorizeLines.java reads.
 * What Kafka answers to the matrix stands in standard-authorizer-matrix.json; the full run asks the
 * real one again and compares.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { AclBinding } from '../../src/security/acl/acl-binding.ts';
import {
  type Operation,
  type ResourceTypeName,
  SUPPORTED_OPERATIONS,
} from '../../src/security/acl/operation.ts';
import type { CasbinAuthorizer } from '../../src/security/casbin-authorizer.ts';
import { service } from './policy-fixture.ts';

export const MATRIX_FILE = fileURLToPath(
  new URL('./standard-authorizer-matrix.json', import.meta.url),
);

export const TYPES: readonly ResourceTypeName[] = [
  'TOPIC',
  'GROUP',
  'CLUSTER',
  'TRANSACTIONAL_ID',
  'DELEGATION_TOKEN',
  'USER',
];
/** Everything that can be asked, on any type. */
export const OPERATIONS: readonly Operation[] = [
  'READ',
  'WRITE',
  'CREATE',
  'DELETE',
  'ALTER',
  'DESCRIBE',
  'CLUSTER_ACTION',
  'DESCRIBE_CONFIGS',
  'ALTER_CONFIGS',
  'IDEMPOTENT_WRITE',
  'CREATE_TOKENS',
  'DESCRIBE_TOKENS',
  'TWO_PHASE_COMMIT',
];
/**
 * Asked "on any resource": not what other operations include, since Kafka's default method takes an
 * included one for a rule on every name only, and then judges by whether a topic named "hardcode" is
 * allowed. Brokers ask it for WRITE.
 */
export const ANY_OPERATIONS: readonly Operation[] = OPERATIONS.filter(
  (operation) => operation !== 'DESCRIBE' && operation !== 'DESCRIBE_CONFIGS',
);
export const ADDRESSES = ['10.0.0.1', '10.0.0.2'];

export interface Question {
  readonly user: string;
  readonly address: string;
  readonly operation: Operation;
  readonly type: ResourceTypeName;
  /** Null: any resource of the type. */
  readonly name: string | null;
}

export interface Case {
  readonly key: string;
  readonly rules: readonly AclBinding[];
  readonly questions: readonly Question[];
}

const nameOf = (type: ResourceTypeName): string =>
  type === 'CLUSTER' ? 'kafka-cluster' : 'matrix.name';

/** Patterns of rules; a CLUSTER has one name and takes no prefix. */
const patternsOf = (type: ResourceTypeName): [AclBinding['patternType'], string][] =>
  type === 'CLUSTER'
    ? [
        ['LITERAL', 'kafka-cluster'],
        ['LITERAL', '*'],
      ]
    : [
        ['LITERAL', 'matrix.name'],
        ['LITERAL', 'matrix'],
        ['LITERAL', '*'],
        ['PREFIXED', 'matrix.'],
        ['PREFIXED', 'matrix.name'],
        ['PREFIXED', 'matrix.names'],
        ['PREFIXED', 'Matrix'],
      ];

const rule = (fields: Partial<AclBinding>): AclBinding => ({
  resourceType: 'TOPIC',
  resourceName: 'matrix.name',
  patternType: 'LITERAL',
  principal: 'User:ada',
  host: '*',
  operation: 'ALL',
  permission: 'ALLOW',
  ...fields,
});

/** Each rule alone where it allows, beside an allow of everything where it denies. */
export function matrix(): Case[] {
  const cases: Case[] = [];
  for (const resourceType of TYPES) {
    const ask = (address: string, name: string | null) => (operation: Operation) => ({
      user: 'ada',
      address,
      operation,
      type: resourceType,
      name,
    });
    const questions = ADDRESSES.flatMap((address) => [
      ...OPERATIONS.map(ask(address, nameOf(resourceType))),
      ...ANY_OPERATIONS.map(ask(address, null)),
    ]);
    const everything = rule({ resourceType, resourceName: '*' });
    for (const [patternType, resourceName] of patternsOf(resourceType)) {
      for (const operation of ['ALL', ...SUPPORTED_OPERATIONS[resourceType]] as const) {
        for (const permission of ['ALLOW', 'DENY'] as const) {
          for (const host of ['*', '10.0.0.1', '10.0.0.3']) {
            const own = rule({
              resourceType,
              patternType,
              resourceName,
              operation,
              permission,
              host,
            });
            const rules = permission === 'ALLOW' ? [own] : [everything, own];
            const key = [resourceType, patternType, resourceName, operation, permission, host];
            cases.push({ key: key.join(' '), rules, questions });
          }
        }
      }
    }
  }
  return cases;
}

/** The lines that AuthorizeLines reads. */
export function scriptOf(cases: readonly Case[]): string {
  const lines: string[] = [];
  for (const { rules, questions } of cases) {
    lines.push('clear');
    for (const { resourceType, resourceName, patternType, ...rest } of rules) {
      const { principal, host, operation, permission } = rest;
      const fields = [resourceType, resourceName, patternType, principal, host, operation];
      lines.push(['acl', ...fields, permission].join('\t'));
    }
    for (const { user, address, operation, type, name } of questions) {
      const asked = [`User:${user}`, address, operation, type];
      lines.push((name === null ? ['any', ...asked] : ['ask', ...asked, name]).join('\t'));
    }
  }
  return `${lines.join('\n')}\n`;
}

/** Our answers to the questions of a case, as `1` and `0`. */
export function answersOf(authorizer: CasbinAuthorizer, { rules, questions }: Case): string {
  authorizer.setDynamicRules('acme', rules);
  return questions
    .map(({ user, address, operation, type, name }) => {
      const who = service('acme', user);
      const { allowed } =
        name === null
          ? authorizer.authorizeByResourceType(who, address, operation, type)
          : authorizer.authorize(who, address, {
              operation,
              resourceType: type,
              resourceName: name,
            });
      return allowed ? '1' : '0';
    })
    .join('');
}

/** Case -> Kafka's answers, in the order of the questions. */
export const readMatrix = (): Record<string, string> =>
  JSON.parse(readFileSync(MATRIX_FILE, 'utf8')) as Record<string, string>;
