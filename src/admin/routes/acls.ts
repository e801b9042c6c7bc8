/**
 * /v1/tenants/:tenant/acls: list with origin and explain (DESCRIBE on the tenant's virtual
 * cluster), add and remove dynamic rules (ALTER on it), as Kafka's ACL API asks. Rules of the policy
 * files are listed but changed in the files only.
 */
import type { AclBinding } from '../../security/acl/acl-binding.ts';
import {
  AclOperation,
  type AclOperationName,
  CLUSTER_NAME,
  type Operation,
  PatternType,
  type PatternTypeName,
  ResourceType,
  type ResourceTypeName,
  SUPPORTED_OPERATIONS,
} from '../../security/acl/operation.ts';
import {
  type AdminRoute,
  created,
  defineRoute,
  type Facts,
  gone,
  nothing,
  ok,
  type RouteContext,
  tenantCluster,
} from '../admin-route.ts';
import type { AclView } from '../admin-services.ts';
import {
  anyText,
  flag,
  listOf,
  list as listShape,
  nullable,
  object,
  oneOf,
  text,
} from '../json-shape.ts';
import { pageOf, pageQuery, pageShape } from '../listing-page.ts';
import { AdminError } from '../problem.ts';
import { from, Grammars, invalidField, optional, withDefault } from '../request-fields.ts';
import { inTenant, requireTenant } from './tenants.ts';

const RESOURCE_TYPES = Object.keys(ResourceType) as ResourceTypeName[];
const PATTERN_TYPES = Object.keys(PatternType) as PatternTypeName[];
const RULE_OPERATIONS = (Object.keys(AclOperation) as AclOperationName[]).filter(
  (name): name is Operation | 'ALL' => name !== 'UNKNOWN' && name !== 'ANY',
);
const OPERATIONS = RULE_OPERATIONS.filter((name): name is Operation => name !== 'ALL');
const PERMISSIONS = ['ALLOW', 'DENY'] as const;

/** As many as an issuer's scopes can be mapped to. */
const TOKEN_ROLES_MAX = 64;

const RESOURCE_TYPE = oneOf(...RESOURCE_TYPES);
const PATTERN_TYPE = oneOf(...PATTERN_TYPES);
const OPERATION = oneOf(...RULE_OPERATIONS);
const PERMISSION = oneOf(...PERMISSIONS);

const RULE_ANSWER = {
  resourceType: RESOURCE_TYPE,
  resourceName: anyText,
  patternType: PATTERN_TYPE,
  principal: anyText,
  host: anyText,
  operation: OPERATION,
  permission: PERMISSION,
  origin: anyText,
} as const;
const RULE = object(RULE_ANSWER);
const LISTED_RULE = object({ ...RULE_ANSWER, domain: anyText, text: anyText });

/** A rule; in the body to add it, in the query to remove it. */
const RULE_FIELDS = {
  resourceType: RESOURCE_TYPE,
  resourceName: optional(text(Grammars.resourceName)),
  patternType: withDefault(PATTERN_TYPE, 'LITERAL'),
  principal: text(Grammars.principal),
  host: withDefault(text(Grammars.host), '*'),
  operation: OPERATION,
  permission: PERMISSION,
} as const;

type RuleFields = Omit<AclBinding, 'resourceName'> & {
  readonly tenant: string;
  readonly resourceName: string | null;
};

/** Of the virtual cluster there is only one, which need not be named. */
function resourceNameOf({
  resourceType,
  resourceName,
}: Pick<RuleFields, 'resourceType' | 'resourceName'>): string {
  if (resourceName !== null) return resourceName;
  if (resourceType === 'CLUSTER') return CLUSTER_NAME;
  throw invalidField('resourceName', 'given');
}

const ruleOf = ({ tenant, ...fields }: RuleFields) => ({
  tenant,
  binding: { ...fields, resourceName: resourceNameOf(fields) },
});

const ruleFacts = ({ tenant, binding }: { tenant: string; binding: AclBinding }): Facts => ({
  tenant,
  principal: binding.principal,
  permission: binding.permission,
  operation: binding.operation,
  resourceType: binding.resourceType,
  patternType: binding.patternType,
  resourceName: binding.resourceName,
  host: binding.host,
});

function checkRule(tenant: string, binding: AclBinding, { deps }: RouteContext): void {
  requireTenant(tenant, { deps });
  const problem = deps.acls.problem(tenant, binding);
  if (problem !== null) throw new AdminError(400, 'invalid-rule', `${problem}.`);
}

/** Files are the operators', and may be called by other tenants' names. */
const originFor = (origin: string, { isOperator }: RouteContext): string =>
  isOperator || origin === 'dynamic' ? origin : 'policy';

const withTold = <T extends { readonly origin: string }>(rule: T, context: RouteContext): T => ({
  ...rule,
  origin: originFor(rule.origin, context),
});

const orderOf = (rule: AclView): string =>
  [
    rule.resourceType,
    rule.patternType,
    rule.resourceName,
    rule.principal,
    rule.operation,
    rule.permission,
    rule.host,
    rule.origin,
  ].join('\n');

const list = defineRoute({
  method: 'GET',
  path: '/v1/tenants/:tenant/acls',
  id: 'listAcls',
  tag: 'acls',
  summary: 'The rules that hold in a tenant, with where each stands',
  authorization: tenantCluster('DESCRIBE'),
  change: null,
  input: from(
    {
      path: inTenant,
      query: {
        principal: optional(text(Grammars.principal)),
        resourceType: optional(RESOURCE_TYPE),
        resourceName: optional(text(Grammars.resourceName)),
        patternType: withDefault(oneOf(...PATTERN_TYPES, 'ANY', 'MATCH'), 'ANY'),
        operation: optional(OPERATION),
        permission: optional(PERMISSION),
        ...pageQuery,
      },
    },
    ({ tenant, limit, cursor, ...filter }) => ({ tenant, page: { limit, cursor }, filter }),
  ),
  answers: { 200: pageShape('acls', LISTED_RULE) },
  handle: async ({ tenant, page, filter }, context) => {
    const { deps } = context;
    requireTenant(tenant, { deps });
    const all = deps.acls.list(tenant, filter);
    const { items, next } = await pageOf('acls', all, orderOf, page, deps.clock);
    return ok({ acls: items.map((rule) => withTold(rule, context)), next });
  },
});

const add = defineRoute({
  method: 'POST',
  path: '/v1/tenants/:tenant/acls',
  id: 'addAcl',
  tag: 'acls',
  summary: 'Add a dynamic rule; 200 when it is there already',
  authorization: tenantCluster('ALTER'),
  change: 'acl-add',
  input: from({ path: inTenant, body: RULE_FIELDS }, ruleOf),
  answers: { 200: RULE, 201: RULE },
  facts: ruleFacts,
  handle: async ({ tenant, binding }, context) => {
    checkRule(tenant, binding, context);
    const isNew = await context.deps.acls.add(tenant, binding);
    const view = { ...binding, origin: 'dynamic' };
    return isNew ? created(view) : ok(view);
  },
});

const remove = defineRoute({
  method: 'DELETE',
  path: '/v1/tenants/:tenant/acls',
  id: 'removeAcl',
  tag: 'acls',
  summary: 'Remove a dynamic rule',
  authorization: tenantCluster('ALTER'),
  change: 'acl-remove',
  input: from({ path: inTenant, query: RULE_FIELDS }, ruleOf),
  answers: { 204: nothing },
  facts: ruleFacts,
  handle: async ({ tenant, binding }, context) => {
    checkRule(tenant, binding, context);
    if ((await context.deps.acls.remove(tenant, binding)) > 0) return gone();
    const detail =
      'There is no such dynamic rule. Rules of the policy files are removed in the files; ' +
      '"acl list" shows where each rule stands.';
    throw new AdminError(404, 'no-such-rule', detail);
  },
});

const EXPLANATION = object({
  allowed: flag,
  sentence: anyText,
  considered: listShape(
    object({
      rule: anyText,
      origin: anyText,
      effect: oneOf('allow', 'deny'),
      via: anyText,
      hostMatches: flag,
      inWindow: flag,
    }),
  ),
  external: nullable(
    object({
      mode: anyText,
      pdp: nullable(anyText),
      answer: nullable(object({ decision: anyText, words: anyText })),
    }),
  ),
});

const explain = defineRoute({
  method: 'POST',
  path: '/v1/tenants/:tenant/acls/explain',
  id: 'explainAccess',
  tag: 'acls',
  summary: 'Whether somebody may do something, and by which rule; nothing is changed',
  authorization: tenantCluster('DESCRIBE'),
  change: null,
  input: from(
    {
      path: inTenant,
      body: {
        user: text(Grammars.subject),
        fleet: optional(text(Grammars.subject)),
        tokenRoles: withDefault(listOf(text(Grammars.subject), TOKEN_ROLES_MAX), []),
        host: withDefault(text(Grammars.host), '127.0.0.1'),
        operation: oneOf(...OPERATIONS),
        resourceType: RESOURCE_TYPE,
        resourceName: optional(text(Grammars.resourceName)),
      },
    },
    ({ tenant, user, fleet, tokenRoles, host, ...asked }) => {
      const { operation, resourceType } = asked;
      if (!SUPPORTED_OPERATIONS[resourceType].includes(operation)) {
        const detail = `Operation ${operation} means nothing on a ${resourceType}.`;
        throw new AdminError(400, 'invalid-field', detail);
      }
      const roles = tokenRoles.map((role) => `Role:${role}`);
      const action = { operation, resourceType, resourceName: resourceNameOf(asked) };
      return { tenant, who: { name: user, fleet, roles }, host, action };
    },
  ),
  answers: { 200: EXPLANATION },
  handle: async ({ tenant, who, host, action }, context) => {
    requireTenant(tenant, context);
    const explanation = await context.deps.acls.explain(tenant, who, host, action);
    const considered = explanation.considered.map((rule) => withTold(rule, context));
    const sentence = explanation.considered.reduce(
      (told, { origin }) => told.replaceAll(`(${origin})`, `(${originFor(origin, context)})`),
      explanation.sentence,
    );
    return ok({ ...explanation, sentence, considered });
  },
});

export const aclRoutes: readonly AdminRoute[] = [list, add, remove, explain];
