/**
 * Open Policy Agent's data API: `POST /v1/data/<path>` with the input document that Rego policies
 * for Kafka are written for, and the tenant beside it.
 *
 * The result is `true` or `false`, or an object with a boolean `allow` and, if it likes, a `reason`.
 * No result (the rule is undefined) is a denial, as OPA means it. There is no batch in this API: one
 * question a message. What differs from request to request without deciding anything (correlation
 * id, connection id) is not sent, so that equal questions are equal.
 */
import type { Question } from '../authorizer.ts';
import {
  cleaned,
  field,
  isObject,
  PdpError,
  type PdpProtocol,
  qualifiedId,
  rolesOf,
  type Verdict,
} from './pdp-protocol.ts';

/** The path of the decision, e.g. `/v1/data/kafka/authz/allow`. */
export function opa(path: string): PdpProtocol {
  return {
    batchMax: 1,
    identities: () => [],
    request: ([question]) => ({ path, body: JSON.stringify({ input: inputOf(question!) }) }),
    verdicts: (answer) => [verdictOf(answer)],
  };
}

function inputOf({ principal, host, action, anyResource, client }: Question) {
  const { tenant, name, principalType, kind, fleet, authentication } = principal;
  const { operation, resourceType, resourceName } = action;
  return {
    tenant,
    action: {
      operation,
      resourcePattern: {
        name: resourceName,
        qualifiedName: qualifiedId(tenant, resourceName),
        patternType: anyResource ? 'PREFIXED' : 'LITERAL',
        resourceType,
        unknown: false,
      },
      resourceReferenceCount: 1,
      logIfAllowed: true,
      logIfDenied: true,
    },
    requestContext: {
      clientAddress: host,
      ...(client !== null && {
        header: {
          data: {
            clientId: client.clientId,
            requestApiKey: client.apiKey,
            requestApiVersion: client.apiVersion,
          },
        },
        listenerName: client.listener,
      }),
      principal: {
        name,
        principalType,
        qualifiedName: qualifiedId(tenant, name),
        kind,
        fleet,
        roles: rolesOf(principal),
      },
      authentication,
      securityProtocol: authentication === 'mTLS' ? 'SSL' : 'SASL_SSL',
    },
  };
}

function verdictOf(answer: unknown): Verdict {
  if (!isObject(answer)) throw new PdpError('malformed', 'the answer is not an object');
  const result = field(answer, 'result');
  const id = field(answer, 'decision_id');
  const decision = typeof id === 'string' ? `decision ${id}` : null;
  if (result === undefined) return { allowed: false, reason: cleaned(decision ?? 'no result') };
  if (typeof result === 'boolean') return { allowed: result, reason: cleaned(decision) };
  const allow = isObject(result) ? field(result, 'allow') : undefined;
  if (typeof allow !== 'boolean') {
    throw new PdpError('malformed', '"result" is neither true nor false nor holds "allow"');
  }
  const reason = cleaned(field(result as Record<string, unknown>, 'reason'));
  const said = [decision, reason].filter((part) => part !== null).join(': ');
  return { allowed: allow, reason: cleaned(said) };
}
