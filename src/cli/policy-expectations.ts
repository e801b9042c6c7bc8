/**
 * Owns the files of `policy test`: what somebody expects of a policy, as YAML.
 *
 *   tests:
 *     - name: a pump writes its telemetry        # optional
 *       tenant: acme                             # or operator: true
 *       user: pump-17
 *       fleet: plant-a                           # optional
 *       roles: [Role:auditor]                    # optional: what a token gives
 *       attributes: { cert.ou: pumps }           # optional: of the certificate or token
 *       host: 10.1.2.3                           # optional, 127.0.0.1
 *       operation: write
 *       topic: telemetry                         # or group, transactional-id, cluster: true
 *       expect: allow                            # or deny
 *       by: acme.csv:12                          # optional: the rule that must decide; none for no rule
 *
 * Invariant: a file is taken as a whole; an unknown key or value is refused with the test's number.
 */
import { parse } from 'yaml';
import {
  CLUSTER_NAME,
  operationOf,
  type ResourceTypeName,
  SUPPORTED_OPERATIONS,
} from '../security/acl/operation.ts';
import { caller, type PolicyQuestion } from '../security/policy-diff.ts';
import { hostProblem } from '../security/policy-host.ts';
import {
  domainProblem,
  NAME_GRAMMAR,
  OPERATOR_DOMAIN,
  subjectProblem,
} from '../security/policy-rule.ts';
import { UsageError } from './command-error.ts';

export interface Expectation {
  readonly name: string;
  readonly question: PolicyQuestion;
  readonly expect: 'allow' | 'deny';
  /** `acme.csv:12`, `none`, or undefined when any rule will do. */
  readonly by: string | undefined;
}

const RESOURCES: Readonly<Record<string, ResourceTypeName>> = {
  topic: 'TOPIC',
  group: 'GROUP',
  'transactional-id': 'TRANSACTIONAL_ID',
  cluster: 'CLUSTER',
};
const KEYS = new Set([
  'name',
  'tenant',
  'operator',
  'user',
  'fleet',
  'roles',
  'attributes',
  'host',
  'operation',
  'expect',
  'by',
  ...Object.keys(RESOURCES),
]);

/** Throws UsageError with the file and the number of the test that is wrong. */
export function readExpectations(file: string, text: string): Expectation[] {
  const document = parseYaml(file, text);
  const tests = isObject(document) ? document.tests : undefined;
  if (!Array.isArray(tests) || tests.length === 0) {
    throw new UsageError(`${file}: a file of expectations has a list "tests" with one at least`);
  }
  return tests.map((test, index) => {
    try {
      return readExpectation(test, index + 1);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new UsageError(`${file}: test ${index + 1}: ${error.message}`);
    }
  });
}

function parseYaml(file: string, text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw new UsageError(`${file}: ${error instanceof Error ? error.message : 'it is no YAML'}`);
  }
}

function readExpectation(test: unknown, number: number): Expectation {
  if (!isObject(test)) throw new RangeError('it is no mapping');
  for (const key of Object.keys(test)) {
    if (!KEYS.has(key)) throw new RangeError(`unknown key "${key}"`);
  }
  const { expect } = test;
  if (expect !== 'allow' && expect !== 'deny') throw new RangeError('expect is allow or deny');
  const question = readQuestion(test);
  const { operation, resourceType, resourceName } = question.action;
  const { name: user } = question.principal;
  return {
    name:
      textIn(test, 'name') ??
      `${number}: User:${user} ${operation} ${resourceType} ${resourceName} is ${expect}`,
    question,
    expect,
    by: textIn(test, 'by'),
  };
}

function readQuestion(test: Readonly<Record<string, unknown>>): PolicyQuestion {
  const user = required(test, 'user');
  refuse(subjectProblem(`User:${user}`));
  const fleet = textIn(test, 'fleet') ?? null;
  if (fleet !== null && !NAME_GRAMMAR.test(fleet)) throw new RangeError(`no fleet: "${fleet}"`);
  const host = textIn(test, 'host') ?? '127.0.0.1';
  if (host === '*' || host.includes('/')) throw new RangeError('host is one address');
  refuse(hostProblem(host));
  const principal = caller(domainIn(test), user, fleet, rolesIn(test), attributesIn(test));
  return { principal, host, action: actionIn(test) };
}

function rolesIn({ roles = [] }: Readonly<Record<string, unknown>>): string[] {
  const names: unknown[] = Array.isArray(roles) ? roles : [roles];
  return names.map((role) => {
    if (typeof role !== 'string' || !role.startsWith('Role:')) {
      throw new RangeError('roles is a list of Role:<name>');
    }
    refuse(subjectProblem(role));
    return role;
  });
}

function attributesIn({
  attributes = {},
}: Readonly<Record<string, unknown>>): Record<string, string> {
  if (!isObject(attributes)) throw new RangeError('attributes is a mapping');
  return Object.fromEntries(
    Object.keys(attributes).map((name) => [name, required(attributes, name)]),
  );
}

function domainIn(test: Readonly<Record<string, unknown>>): string {
  if (test.operator === true && test.tenant === undefined) return OPERATOR_DOMAIN;
  if (test.operator !== undefined) throw new RangeError('either tenant, or operator: true');
  const tenant = required(test, 'tenant');
  refuse(
    tenant === OPERATOR_DOMAIN ? 'operators are operator: true' : domainProblem(tenant, false),
  );
  return tenant;
}

function actionIn(test: Readonly<Record<string, unknown>>): PolicyQuestion['action'] {
  const [key, ...more] = Object.keys(RESOURCES).filter((one) => test[one] !== undefined);
  if (key === undefined || more.length > 0) {
    throw new RangeError(`name one resource: ${Object.keys(RESOURCES).join(', ')}`);
  }
  if (key === 'cluster' && test.cluster !== true) throw new RangeError('cluster is true');
  const resourceType = RESOURCES[key]!;
  const name = required(test, 'operation').toUpperCase().replaceAll('-', '_');
  const operation = operationOf(name);
  if (operation === undefined || !SUPPORTED_OPERATIONS[resourceType].includes(operation)) {
    const known = SUPPORTED_OPERATIONS[resourceType].join(', ').toLowerCase();
    throw new RangeError(`operation on a ${resourceType} is one of ${known}`);
  }
  const resourceName = key === 'cluster' ? CLUSTER_NAME : required(test, key);
  return { operation, resourceType, resourceName };
}

function refuse(problem: string | null): void {
  if (problem !== null) throw new RangeError(problem);
}

function textIn(test: Readonly<Record<string, unknown>>, key: string): string | undefined {
  const value = test[key];
  if (value === undefined) return undefined;
  if (typeof value === 'string' && value !== '') return value;
  // A name such as 17 is a number in YAML.
  if (typeof value === 'number') return String(value);
  throw new RangeError(`${key} is a text`);
}

function required(test: Readonly<Record<string, unknown>>, key: string): string {
  const value = textIn(test, key);
  if (value === undefined) throw new RangeError(`${key} is missing`);
  return value;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
