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
  ok,
  type RouteContext,
  tenantCluster,
} from '../admin-route.ts';
import { AdminError } from '../problem.ts';
import { Grammars, type RequestFields } from '../request-fields.ts';
import { requireTenant } from './tenants.ts';

const RESOURCE_TYPES = Object.keys(ResourceType) as ResourceTypeName[];
const PATTERN_TYPES = Object.keys(PatternType) as PatternTypeName[];
const RULE_OPERATIONS = (Object.keys(AclOperation) as AclOperationName[]).filter(
  (name): name is Operation | 'ALL' => name !== 'UNKNOWN' && name !== 'ANY',
);
const OPERATIONS = RULE_OPERATIONS.filter((name): name is Operation => name !== 'ALL');
const PERMISSIONS = ['ALLOW', 'DENY'] as const;

/** As many as an issuer's scopes can be mapped to. */
const TOKEN_ROLES_MAX = 64;

const tenantOf = (fields: RequestFields) => ({ tenant: fields.text('tenant', Grammars.tenant) });

function bindingOf(fields: RequestFields): AclBinding {
  const resourceType = fields.oneOf('resourceType', RESOURCE_TYPES);
  const name = fields.optionalText('resourceName', Grammars.resourceName);
  if (name === null && resourceType !== 'CLUSTER') {
    throw new AdminError(400, 'invalid-field', '"resourceName" must be given.');
  }
  return {
    resourceType,
    resourceName: name ?? CLUSTER_NAME,
    patternType: fields.optionalOneOf('patternType', PATTERN_TYPES) ?? 'LITERAL',
    principal: fields.text('principal', Grammars.principal),
    host: fields.optionalText('host', Grammars.host) ?? '*',
    operation: fields.oneOf('operation', RULE_OPERATIONS),
    permission: fields.oneOf('permission', PERMISSIONS),
  };
}

const ruleInput = (fields: RequestFields) => ({ ...tenantOf(fields), binding: bindingOf(fields) });

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

const list = defineRoute({
  method: 'GET',
  path: '/v1/tenants/:tenant/acls',
  authorization: tenantCluster('DESCRIBE'),
  change: null,
  input: (fields) => ({
    ...tenantOf(fields),
    filter: {
      principal: fields.optionalText('principal', Grammars.principal),
      resourceType: fields.optionalOneOf('resourceType', RESOURCE_TYPES),
      resourceName: fields.optionalText('resourceName', Grammars.resourceName),
      patternType: fields.optionalOneOf('patternType', [...PATTERN_TYPES, 'ANY', 'MATCH']) ?? 'ANY',
      operation: fields.optionalOneOf('operation', RULE_OPERATIONS),
      permission: fields.optionalOneOf('permission', PERMISSIONS),
    },
  }),
  handle: ({ tenant, filter }, { deps }) => {
    requireTenant(tenant, { deps });
    return ok({ acls: deps.acls.list(tenant, filter) });
  },
});

const add = defineRoute({
  method: 'POST',
  path: '/v1/tenants/:tenant/acls',
  authorization: tenantCluster('ALTER'),
  change: 'acl-add',
  input: ruleInput,
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
  authorization: tenantCluster('ALTER'),
  change: 'acl-remove',
  input: ruleInput,
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

const explain = defineRoute({
  method: 'POST',
  path: '/v1/tenants/:tenant/acls/explain',
  authorization: tenantCluster('DESCRIBE'),
  change: null,
  input: (fields) => {
    const resourceType = fields.oneOf('resourceType', RESOURCE_TYPES);
    const operation = fields.oneOf('operation', OPERATIONS);
    if (!SUPPORTED_OPERATIONS[resourceType].includes(operation)) {
      const detail = `Operation ${operation} means nothing on a ${resourceType}.`;
      throw new AdminError(400, 'invalid-field', detail);
    }
    const name = fields.optionalText('resourceName', Grammars.resourceName);
    if (name === null && resourceType !== 'CLUSTER') {
      throw new AdminError(400, 'invalid-field', '"resourceName" must be given.');
    }
    return {
      ...tenantOf(fields),
      who: {
        name: fields.text('user', Grammars.subject),
        fleet: fields.optionalText('fleet', Grammars.subject),
        roles: fields
          .optionalTexts('tokenRoles', Grammars.subject, TOKEN_ROLES_MAX)
          .map((role) => `Role:${role}`),
      },
      host: fields.optionalText('host', Grammars.host) ?? '127.0.0.1',
      action: { operation, resourceType, resourceName: name ?? CLUSTER_NAME },
    };
  },
  handle: async ({ tenant, who, host, action }, { deps }) => {
    requireTenant(tenant, { deps });
    return ok(await deps.acls.explain(tenant, who, host, action));
  },
});

export const aclRoutes: readonly AdminRoute[] = [list, add, remove, explain];
