/**
 * The AuthZEN Authorization API 1.0: one question to `/access/v1/evaluation`, several to
 * `/access/v1/evaluations`, each with its own subject, action, resource and context.
 *
 * Ids carry the tenant (`acme/User:device-1`, `acme/telemetry`). What decides stands in the
 * properties, since PDPs differ in whether their policies see the context. Some PDPs group a
 * message by id and take the first entry's properties for all: one message therefore never holds an
 * id with two sets of properties.
 */

import type { Question } from '../authorizer.ts';
import { formatPrincipal } from '../principal.ts';
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

const EVALUATION_PATH = '/access/v1/evaluation';
const EVALUATIONS_PATH = '/access/v1/evaluations';
/** Where PDPs put their words, in the order in which they are looked for. */
const REASON_FIELDS = ['reason_admin', 'reason', 'reason_user'] as const;

export interface AuthzenOptions {
  /** Before `/access/v1/...`; empty or beginning with a slash. */
  readonly basePath: string;
  readonly batchMax: number;
}

export function authzen({ basePath, batchMax }: AuthzenOptions): PdpProtocol {
  return {
    batchMax,
    identities(question) {
      const subject = subjectOf(question);
      const resource = resourceOf(question);
      return [
        { id: `subject ${subject.id}`, facts: JSON.stringify(subject.properties) },
        {
          id: `resource ${resource.type} ${resource.id}`,
          facts: JSON.stringify(resource.properties),
        },
      ];
    },
    request(questions) {
      const [only] = questions;
      if (questions.length === 1) {
        return { path: basePath + EVALUATION_PATH, body: JSON.stringify(evaluationOf(only!)) };
      }
      const body = {
        // Required to be there by some, and the default of entries without one.
        context: { source: 'breakwater' },
        evaluations: questions.map(evaluationOf),
        options: { evaluations_semantic: 'execute_all' },
      };
      return { path: basePath + EVALUATIONS_PATH, body: JSON.stringify(body) };
    },
    verdicts(answer, count) {
      if (count === 1) return [verdictOf(answer)];
      const evaluations = isObject(answer) ? field(answer, 'evaluations') : undefined;
      if (!Array.isArray(evaluations)) {
        throw new PdpError('malformed', 'the answer has no list "evaluations"');
      }
      if (evaluations.length !== count) {
        const counted = `${evaluations.length} evaluations for ${count} questions`;
        throw new PdpError('malformed', `the answer has ${counted}`);
      }
      return evaluations.map(verdictOf);
    },
  };
}

function subjectOf({ principal, host }: Question) {
  const { tenant, name, kind, fleet, authentication } = principal;
  const properties = { tenant, name, kind, fleet, authentication, host };
  return {
    type: 'user',
    id: qualifiedId(tenant, formatPrincipal(principal)),
    properties: { ...properties, roles: rolesOf(principal) },
  };
}

function resourceOf({ principal, action, anyResource }: Question) {
  const { resourceType, resourceName: name } = action;
  const { tenant } = principal;
  return {
    type: resourceType.toLowerCase(),
    id: qualifiedId(tenant, name),
    properties: { tenant, name, patternType: anyResource ? 'PREFIXED' : 'LITERAL' },
  };
}

function evaluationOf(question: Question) {
  const { client, host } = question;
  return {
    subject: subjectOf(question),
    action: { name: question.action.operation },
    resource: resourceOf(question),
    context: {
      clientAddress: host,
      ...(client !== null && {
        clientId: client.clientId,
        apiKey: client.apiKey,
        apiVersion: client.apiVersion,
        listener: client.listener,
      }),
    },
  };
}

function verdictOf(evaluation: unknown): Verdict {
  const decision = isObject(evaluation) ? field(evaluation, 'decision') : undefined;
  if (typeof decision !== 'boolean') {
    throw new PdpError('malformed', '"decision" is not true or false');
  }
  const context = field(evaluation as Record<string, unknown>, 'context');
  return { allowed: decision, reason: isObject(context) ? reasonOf(context) : null };
}

function reasonOf(context: Readonly<Record<string, unknown>>): string | null {
  const said = REASON_FIELDS.map((name) => field(context, name)).find((one) => one !== undefined);
  const id = field(context, 'id');
  const words = said === undefined && id === undefined ? context : said;
  if (typeof id !== 'string') return cleaned(words);
  return cleaned(words === undefined ? `decision ${id}` : `decision ${id}: ${textOf(words)}`);
}

const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : JSON.stringify(value);
