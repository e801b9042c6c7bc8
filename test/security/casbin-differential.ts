/**
 * Random policies and requests, and two oracles to hold the authorizer against: stock Casbin over
 * all rules, loaded from the same text with its own CSV reader and role manager, and a small
 * reference of Kafka's semantics written without either.
 */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: policy variables are meant literally
import { readFileSync } from 'node:fs';
import { type Enforcer, newEnforcer, newModelFromString, StringAdapter } from 'casbin';
import fc from 'fast-check';
import { type Clock, systemClock } from '../../src/base/clock.ts';
import type { AclBinding } from '../../src/security/acl/acl-binding.ts';
import type { Operation, ResourceTypeName } from '../../src/security/acl/operation.ts';
import type { Action, AuthorizationResult } from '../../src/security/authorizer.ts';
import type { CasbinAuthorizer } from '../../src/security/casbin-authorizer.ts';
import { addPolicyFunctions } from '../../src/security/policy-functions.ts';
import {
  type PolicyRule,
  type RoleLink,
  ruleColumns,
  ruleProblem,
} from '../../src/security/policy-rule.ts';
import type { KafkaPrincipal } from '../../src/security/principal.ts';
import { MODEL_FILE, openAuthorizer, policyFolder, principal } from './policy-fixture.ts';

const TENANTS = ['acme', 'globex'];
const USERS = ['u1', 'u1', 'u10', 'U1', 'svc@EXAMPLE.COM', 'svc@EXAMPLE.COM'];
const FLEETS = ['f1', 'f2'];
const ROLES = ['Role:r1', 'Role:r2', 'Role:r3', 'Role:r4'];
const OPERATIONS: Operation[] = [
  'READ',
  'WRITE',
  'CREATE',
  'DELETE',
  'ALTER',
  'DESCRIBE',
  'DESCRIBE_CONFIGS',
  'ALTER_CONFIGS',
];
const TYPES: ResourceTypeName[] = ['TOPIC', 'TOPIC', 'TOPIC', 'GROUP', 'CLUSTER'];
const NAMES = ['a', 'ab', 'abc', 'a.b', 'A', 'u1.x', 'u10.x', 'u1', 'f1.a', 'acme.a', '*', 'b'];
const VARIABLE_NAMES = [
  '${principal}.',
  '${principal}.x',
  '${fleet}.a',
  '${tenant}.',
  'a${fleet}',
  '${cert.ou}.a',
  'a${token.site}.${fleet}',
  '${principal}${cert.ou}',
  '${token.site}${token.site}.',
];
/** The last two break the grammar of names. */
const ATTRIBUTE_VALUES = ['u1', 'a', 'f1', 's_2', 'Two Words', 'a.b'];
const OPERATOR_NAMES = ['acme/', 'acme/a', 'globex/ab', 'kafka-cluster', 'acme/kafka-cluster', '*'];
const HOSTS = ['10.0.0.1', '10.0.0.2', '192.168.1.1', '::1', '::ffff:10.0.0.1', '2001:db8::1'];
const RULE_HOSTS = [
  '*',
  '*',
  '*',
  '*',
  '*',
  '*',
  '10.0.0.1',
  '10.0.0.0/8',
  '0.0.0.0/0',
  '2001:db8::/32',
  '::1',
];

const WINDOWS = [
  'daily/06:00-18:00',
  'daily/22:00-02:30',
  'Sat+Sun/00:00-24:00',
  'Fri-Mon/12:00-13:00/Europe/Berlin',
  'Sun/01:30-03:30/Europe/Berlin',
  'Mon-Fri/23:00-01:00/America/St_Johns',
];
const MINUTE_MS = 60_000;
/** Around edges, midnights and both changes of the clocks in Berlin in 2030. */
const TIMES = [
  ...[0, 1, 5, 12, 24 * 60, 26 * 60].map((m) => Date.UTC(2030, 2, 31, 0, 29) + m * MINUTE_MS),
  ...[0, 31, 61, 91, 121].map((m) => Date.UTC(2030, 9, 27, 0, 0) + m * MINUTE_MS - 1),
  ...[2, 6, 11, 12, 18, 22, 23].map((hour) => Date.UTC(2030, 5, 8, hour, 0)),
  ...[1, 3, 5, 12, 17, 21].map((hour) => Date.UTC(2030, 5, 11, hour, 59, 59, 999)),
];

export interface RandomPolicy {
  readonly rules: readonly PolicyRule[];
  readonly links: readonly RoleLink[];
  /** Rules of acme that come as AclBindings. */
  readonly dynamic: readonly AclBinding[];
}

const of = <T>(values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);

const subjectArbitrary = fc.oneof(
  of(USERS).map((user) => `User:${user}`),
  fc.constant('User:*'),
  fc.constant('User:*'),
  of(FLEETS).map((fleet) => `Fleet:${fleet}`),
  of(ROLES),
  of(ROLES),
);

const ruleArbitrary: fc.Arbitrary<PolicyRule> = fc
  .record({
    subject: subjectArbitrary,
    domain: of([...TENANTS, ...TENANTS, '*', '_operator']),
    resourceType: of(TYPES),
    patternType: of(['LITERAL', 'PREFIXED'] as const),
    resourceName: of([...NAMES, ...NAMES, ...VARIABLE_NAMES, ...VARIABLE_NAMES, ...OPERATOR_NAMES]),
    operation: of([...OPERATIONS, 'ALL', 'ALL', 'ALL'] as const),
    host: of(RULE_HOSTS),
    effect: of(['allow', 'allow', 'deny'] as const),
    when: of([...new Array<string>(12).fill('*'), ...WINDOWS]),
  })
  .map((fields) => ({ ...fields, file: 'random.csv', line: 1 }))
  .filter((rule) => ruleProblem(rule) === null);

/** Roles inherit only roles of a higher number, so that there is no circle. */
const linkArbitrary: fc.Arbitrary<RoleLink> = fc
  .record({
    member: fc.oneof(
      of(USERS).map((user) => `User:${user}`),
      of(FLEETS).map((fleet) => `Fleet:${fleet}`),
      of(ROLES),
    ),
    role: of(ROLES),
    domain: of([...TENANTS, '*', '_operator']),
  })
  .map((fields) => ({ ...fields, file: 'random.csv', line: 1 }))
  .filter(({ member, role }) => !member.startsWith('Role:') || member < role);

const toBinding = (rule: PolicyRule): AclBinding => ({
  resourceType: rule.resourceType,
  resourceName: rule.resourceName,
  patternType: rule.patternType,
  principal: rule.subject,
  host: rule.host,
  operation: rule.operation,
  permission: rule.effect === 'deny' ? 'DENY' : 'ALLOW',
});

export const policyArbitrary: fc.Arbitrary<RandomPolicy> = fc.record({
  rules: fc.array(ruleArbitrary, { minLength: 1, maxLength: 30, size: 'max' }),
  links: fc.array(linkArbitrary, { maxLength: 12, size: 'max' }),
  dynamic: fc
    .array(
      ruleArbitrary
        .map((rule) => ({ ...rule, domain: 'acme', when: '*' }))
        .filter((rule) => ruleProblem(rule) === null),
      { maxLength: 10, size: 'max' },
    )
    .map((rules) => rules.map(toBinding)),
});

export interface RandomRequest {
  readonly timeMs: number;
  readonly principal: KafkaPrincipal;
  readonly host: string;
  readonly action: Action;
}

const attributesArbitrary = fc.record(
  { 'cert.ou': of(ATTRIBUTE_VALUES), 'token.site': of(ATTRIBUTE_VALUES) },
  { requiredKeys: [] },
);

/** What a token brings: to most sessions nothing. */
const tokenRolesArbitrary: fc.Arbitrary<string[]> = fc.oneof(
  { weight: 2, arbitrary: fc.constant<string[]>([]) },
  { weight: 1, arbitrary: of([['Role:r1', 'Role:r5'], ['Role:r2', 'Role:r4'], ['Role:r3']]) },
);

const principalArbitrary: fc.Arbitrary<KafkaPrincipal> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .tuple(
        of(TENANTS),
        of(USERS),
        of([...FLEETS, null]),
        tokenRolesArbitrary,
        attributesArbitrary,
      )
      .map(([tenant, name, fleet, roles, attributes]) =>
        principal(tenant, name, { fleet, roles, attributes }),
      ),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(of(USERS), tokenRolesArbitrary)
      .map(([name, roles]) => principal('', name, { kind: 'operator', roles })),
  },
);

export const requestArbitrary: fc.Arbitrary<RandomRequest> = fc.record({
  timeMs: of(TIMES),
  principal: principalArbitrary,
  host: of(HOSTS),
  action: fc.record({
    operation: of(OPERATIONS),
    resourceType: of(TYPES),
    resourceName: of([...NAMES, ...OPERATOR_NAMES, 'abx', 'u2.x', 'kafka-cluster', 'af1']),
  }),
});

const dynamicRules = (policy: RandomPolicy): PolicyRule[] =>
  policy.dynamic.map((binding) => ({
    subject: binding.principal,
    domain: 'acme',
    resourceType: binding.resourceType,
    patternType: binding.patternType,
    resourceName: binding.resourceName,
    operation: binding.operation,
    host: binding.host,
    effect: binding.permission === 'DENY' ? 'deny' : 'allow',
    when: '*',
    file: 'dynamic',
    line: 0,
  }));

export const allRules = (policy: RandomPolicy): PolicyRule[] => [
  ...policy.rules,
  ...dynamicRules(policy),
];

export function policyText(policy: Pick<RandomPolicy, 'rules' | 'links'>): string {
  const links = policy.links.map(({ member, role, domain }) => `g, ${member}, ${role}, ${domain}`);
  const rules = policy.rules.map((rule) => `p, ${ruleColumns(rule).join(', ')}`);
  return [...links, ...rules].join('\n');
}

const domainOf = ({ kind, tenant }: KafkaPrincipal): string =>
  kind === 'operator' ? '_operator' : tenant;

/** The roles of a token, as the lines of a policy that would mean the same for one session. */
const tokenLinks = (who: KafkaPrincipal): RoleLink[] =>
  who.roles.map((role) => ({
    member: `User:${who.name}`,
    role,
    domain: domainOf(who),
    file: 'token',
    line: 1,
  }));

/** Stock Casbin over every rule, for one session: with its roles among the links. */
export async function openCasbin(policy: RandomPolicy, who: KafkaPrincipal): Promise<Enforcer> {
  const enforcer = await newEnforcer(newModelFromString(readFileSync(MODEL_FILE, 'utf8')));
  await addPolicyFunctions(enforcer);
  const links = [...policy.links, ...tokenLinks(who)];
  const text = policyText({ rules: allRules(policy), links });
  enforcer.setAdapter(new StringAdapter(text));
  await enforcer.addNamedDomainMatchingFunc(
    'g',
    (domain: string, known: string) => known === '*' && domain !== '_operator',
  );
  await enforcer.loadPolicy();
  return enforcer;
}

export function casbinAllows(enforcer: Enforcer, request: RandomRequest): boolean {
  const { principal: who, host, action } = request;
  return enforcer.enforceSync(
    `User:${who.name}`,
    who.fleet === null ? '' : `Fleet:${who.fleet}`,
    domainOf(who),
    who.attributes ?? {},
    host,
    action.resourceType,
    action.resourceName,
    action.operation,
    request.timeMs,
  );
}

function rolesHeld(policy: RandomPolicy, who: KafkaPrincipal): Set<string> {
  const domain = domainOf(who);
  const held = new Set([`User:${who.name}`, ...who.roles]);
  if (who.fleet !== null) held.add(`Fleet:${who.fleet}`);
  for (let size = 0; size !== held.size; ) {
    size = held.size;
    for (const link of policy.links) {
      const here = link.domain === domain || (link.domain === '*' && domain !== '_operator');
      if (here && held.has(link.member)) held.add(link.role);
    }
  }
  return held;
}

/** Whether a rule host covers an address; the addresses of the tests only. */
function hostCovers(ruleHost: string, host: string): boolean {
  const plain = host.replace('::ffff:', '');
  const isIpv4 = plain.includes('.');
  if (ruleHost === '*' || ruleHost === plain) return true;
  if (ruleHost === '0.0.0.0/0') return isIpv4;
  if (ruleHost === '10.0.0.0/8') return isIpv4 && plain.startsWith('10.');
  return ruleHost === '2001:db8::/32' && plain.startsWith('2001:db8:');
}

function nameCovers(rule: PolicyRule, who: KafkaPrincipal, name: string): boolean {
  const values: [string, string | null][] = [
    ['${principal}', who.name],
    ['${fleet}', who.fleet],
    ['${tenant}', domainOf(who)],
    ['${cert.ou}', who.attributes?.['cert.ou'] ?? null],
    ['${token.site}', who.attributes?.['token.site'] ?? null],
  ];
  const said = values.filter(([variable]) => rule.resourceName.includes(variable));
  if (said.some(([, value]) => value !== null && !/^[A-Za-z0-9-][A-Za-z0-9_-]*$/.test(value))) {
    return rule.effect === 'deny';
  }
  let pattern = rule.resourceName;
  for (const [variable, value] of said) {
    if (value === null) return false;
    pattern = pattern.replaceAll(variable, value);
  }
  if (rule.patternType === 'PREFIXED') return name.startsWith(pattern);
  return pattern === name || pattern === '*';
}

const IMPLIED: Record<string, string[]> = {
  READ: ['DESCRIBE'],
  WRITE: ['DESCRIBE'],
  DELETE: ['DESCRIBE'],
  ALTER: ['DESCRIBE'],
  ALTER_CONFIGS: ['DESCRIBE_CONFIGS'],
};

function operationCovers(rule: PolicyRule, operation: Operation): boolean {
  if (rule.operation === 'ALL' || rule.operation === operation) return true;
  return rule.effect === 'allow' && (IMPLIED[rule.operation] ?? []).includes(operation);
}

const covered = new Map<string, boolean>();

/** Whether a window of the tests is open, told by the calendar of the zone. */
function windowCovers(when: string, timeMs: number): boolean {
  if (when === '*') return true;
  const key = `${when} ${timeMs}`;
  const known = covered.get(key) ?? windowIsOpen(when, timeMs);
  covered.set(key, known);
  return known;
}

function windowIsOpen(when: string, timeMs: number): boolean {
  const [days = '', span = '', ...zone] = when.split('/');
  const shown = (ms: number) =>
    new Date(ms).toLocaleString('en-GB', {
      timeZone: zone.length === 0 ? 'UTC' : zone.join('/'),
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hour12: false,
    });
  const dayOf = (ms: number): string => shown(ms).slice(0, 3);
  const time = shown(timeMs).slice(-5).replace('24:', '00:');
  const [from = '', to = ''] = span.split('-');
  const named: Record<string, string> = { daily: '', 'Sat+Sun': 'Sat Sun', Sun: 'Sun' };
  named['Fri-Mon'] = 'Fri Sat Sun Mon';
  named['Mon-Fri'] = 'Mon Tue Wed Thu Fri';
  const begins = (day: string): boolean => days === 'daily' || named[days]!.includes(day);
  // Twelve hours before an early hour it was the day before, whatever the clocks did in between.
  if (from > to && time < to) return begins(dayOf(timeMs - 12 * 60 * MINUTE_MS));
  return begins(dayOf(timeMs)) && time >= from && (from > to || time < to);
}

/** Kafka's answer, rule by rule. */
export function referenceAllows(policy: RandomPolicy, request: RandomRequest): boolean {
  const { principal: who, host, action } = request;
  const held = rolesHeld(policy, who);
  const domain = domainOf(who);
  const matching = allRules(policy).filter(
    (rule) =>
      (rule.domain === domain || (rule.domain === '*' && domain !== '_operator')) &&
      (rule.subject === 'User:*' || held.has(rule.subject)) &&
      rule.resourceType === action.resourceType &&
      operationCovers(rule, action.operation) &&
      hostCovers(rule.host, host) &&
      windowCovers(rule.when, request.timeMs) &&
      nameCovers(rule, who, action.resourceName),
  );
  return matching.length > 0 && matching.every(({ effect }) => effect === 'allow');
}

/** Names on which an allow could stand alone: all that rules mention, and fresh ones below them. */
function witnesses(policy: RandomPolicy, who: KafkaPrincipal): string[] {
  const names = allRules(policy).map(({ resourceName }) =>
    resourceName
      .replaceAll('${principal}', who.name)
      .replaceAll('${fleet}', who.fleet ?? '')
      .replaceAll('${tenant}', domainOf(who))
      .replaceAll('${cert.ou}', who.attributes?.['cert.ou'] ?? '')
      .replaceAll('${token.site}', who.attributes?.['token.site'] ?? ''),
  );
  return ['~fresh', ...names, ...names.map((name) => `${name}~fresh`)];
}

/** authorizeByResourceType by trying. */
export const referenceAllowsAny = (policy: RandomPolicy, request: RandomRequest): boolean =>
  witnesses(policy, request.principal).some((resourceName) =>
    referenceAllows(policy, { ...request, action: { ...request.action, resourceName } }),
  );

export interface DifferentialRun {
  /** Puts the policy in force and compares every request; throws at the first difference. */
  compare(policy: RandomPolicy, requests: readonly RandomRequest[]): Promise<void>;
  readonly compared: number;
  /** How many were allows, and denies by a rule: a test that compares nothing would show here. */
  readonly allowed: number;
  readonly deniedByRule: number;
  /** How many were decided by a role that only the session's token gave. */
  readonly byTokenRole: number;
  close(): void;
}

/** The same callers asking for what the rules speak about, since random names seldom meet one. */
function aimed(policy: RandomPolicy, requests: readonly RandomRequest[]): RandomRequest[] {
  const rules = allRules(policy);
  return requests.map((request, index) => {
    const rule = rules[index % rules.length]!;
    const operation = rule.operation === 'ALL' ? request.action.operation : rule.operation;
    const resourceName = rule.resourceName
      .replaceAll('${principal}', request.principal.name)
      .replaceAll('${fleet}', request.principal.fleet ?? 'f1')
      .replaceAll('${tenant}', request.principal.tenant)
      .replaceAll('${cert.ou}', request.principal.attributes?.['cert.ou'] ?? 'a')
      .replaceAll('${token.site}', request.principal.attributes?.['token.site'] ?? 'a');
    const action = { operation, resourceType: rule.resourceType, resourceName };
    return { ...request, action };
  });
}

/** One authorizer that lives through all policies, so that stale decisions would show, too. */
export async function openDifferentialRun(): Promise<DifferentialRun> {
  const folder = policyFolder();
  folder.write('random.csv');
  const now = { timeMs: 0 };
  const clock: Clock = { ...systemClock, nowMs: () => now.timeMs };
  const authorizer = await openAuthorizer(folder.directory, { clock }).catch((error: unknown) => {
    folder.close();
    throw error;
  });
  const run = { compared: 0, allowed: 0, deniedByRule: 0, byTokenRole: 0 };
  return {
    get compared() {
      return run.compared;
    },
    get allowed() {
      return run.allowed;
    },
    get deniedByRule() {
      return run.deniedByRule;
    },
    get byTokenRole() {
      return run.byTokenRole;
    },
    async compare(policy, requests) {
      folder.writeRaw('random.csv', `${policyText(policy)}\n# end\n`);
      const status = await authorizer.reload();
      if (!status.healthy) throw new Error(JSON.stringify(status.refusal));
      authorizer.setDynamicRules('acme', policy.dynamic);
      const later = TIMES[run.compared % TIMES.length]!;
      const asked = [...requests, ...aimed(policy, requests)];
      const enforcers = new Map<string, Enforcer>();
      // The same again at another time: what is remembered must not outlive a window.
      for (const request of [...asked, ...asked.map((one) => ({ ...one, timeMs: later }))]) {
        now.timeMs = request.timeMs;
        const who = request.principal;
        // Sessions without a token's roles share one; each other has one with its own links.
        const session = who.roles.length === 0 ? '' : JSON.stringify(tokenLinks(who));
        const enforcer = enforcers.get(session) ?? (await openCasbin(policy, who));
        enforcers.set(session, enforcer);
        const result = compareOne(authorizer, policy, enforcer, request, run.compared);
        run.compared += 1;
        if (result.allowed) run.allowed += 1;
        else if (result.rule !== null) run.deniedByRule += 1;
        if (result.tokenRole !== undefined) run.byTokenRole += 1;
      }
    },
    close: () => folder.close(),
  };
}

function compareOne(
  authorizer: CasbinAuthorizer,
  policy: RandomPolicy,
  enforcer: Enforcer,
  request: RandomRequest,
  number: number,
): AuthorizationResult {
  const { principal: who, host, action } = request;
  const first = authorizer.authorize(who, host, action);
  const second = authorizer.authorize(who, host, action);
  const { operation, resourceType } = action;
  // The reference tries every name that a rule says: dear, so of some requests only.
  const asksAny = number % 4 === 0;
  const any = asksAny
    ? authorizer.authorizeByResourceType(who, host, operation, resourceType).allowed
    : null;
  const explained = authorizer.explain(who, host, action);
  const answers = {
    casbin: casbinAllows(enforcer, request),
    reference: referenceAllows(policy, request),
    first: first.allowed,
    second: second.allowed,
    explained: explained.allowed,
  };
  const anyAnswers = { reference: asksAny ? referenceAllowsAny(policy, request) : null, any };
  if (new Set(Object.values(answers)).size !== 1 || anyAnswers.reference !== anyAnswers.any) {
    throw new Error(
      `${JSON.stringify({ answers, anyAnswers, request, first, any })}\n${policyText({ rules: allRules(policy), links: policy.links })}`,
    );
  }
  const effect = first.rule?.split(', ')[8] ?? null;
  if (first.validUntilMs !== undefined && !(first.validUntilMs > request.timeMs)) {
    throw new Error(`a decision that holds until it was made: ${JSON.stringify(first)}`);
  }
  if (effect !== null && (effect === 'allow') !== first.allowed) {
    throw new Error(`the evidence contradicts the decision: ${JSON.stringify(first)}`);
  }
  return first;
}
