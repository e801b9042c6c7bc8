/**
 * What AlterConfigs and IncrementalAlterConfigs share: authorise, try, record, act.
 *
 * Invariants: a change is in the audit log, durably and with its values, before it is made. Only
 * what the engine would accept is recorded, so that no value stands there that is not one of a known
 * config: whoever mistypes a name may have put a secret behind it.
 */

import { matchProblem } from '../../fleet/telemetry/subscription-match.ts';
import { ConfigResourceType } from '../../protocol/config-resource-type.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type { RequestContext } from '../request-context.ts';
import {
  type ConfigRefusal,
  type ConfigResource,
  type ConfigSplit,
  refuse,
  splitByResource,
} from './config-resources.ts';
import { forEachInTurns } from './per-topic.ts';

export interface AlterConfigsBody<T> {
  resources: T[];
  validateOnly: boolean;
}

export interface AlterConfigsAnswer {
  throttleTimeMs: number;
  responses: ConfigRefusal[];
}

/** One config of a change, as the access log has it. */
export interface ChangedConfig {
  readonly name: string;
  /** `set`, `delete`, `append`, `subtract`. */
  readonly verb: string;
  readonly value: string | null;
}

export interface Alteration<T extends ConfigResource> {
  /** Calls the engine; one result for each resource, in the order of the request. */
  readonly act: (body: AlterConfigsBody<T>) => AlterConfigsAnswer | Promise<AlterConfigsAnswer>;
  readonly changes: (resource: T) => readonly ChangedConfig[];
}

/** A line of the audit log has room for about thirty facts. */
const CONFIGS_PER_LINE = 24;

const TYPE_NAMES: Readonly<Record<number, string>> = {
  [ConfigResourceType.TOPIC]: 'TOPIC',
  [ConfigResourceType.BROKER]: 'BROKER',
  [ConfigResourceType.GROUP]: 'GROUP',
  [ConfigResourceType.CLIENT_METRICS]: 'CLIENT_METRICS',
};

export async function alterResources<T extends ConfigResource>(
  ctx: RequestContext,
  request: AlterConfigsBody<T>,
  { act, changes }: Alteration<T>,
): Promise<AlterConfigsAnswer> {
  const { resources } = request;
  const split = await splitByResource(ctx, 'ALTER_CONFIGS', resources, 'any');
  const { refused } = split;
  const accepted = split.accepted.filter((resource) => {
    const problem = patternProblem(resource.resourceType, changes(resource));
    if (problem === null) return true;
    refused.push(refuse(resource, ErrorCode.INVALID_CONFIG, problem));
    return false;
  });
  if (accepted.length === 0) return answerOf(refused);

  const trial = await act({ resources: accepted.map(copy), validateOnly: true });
  if (request.validateOnly) return withRefusals(trial, refused);
  const tried = sortOut(accepted, trial);
  for (const refusal of tried.refused) refused.push(refusal);
  if (tried.accepted.length === 0) return answerOf(refused);

  await forEachInTurns(ctx, tried.accepted, (resource) => {
    record(ctx, resource, changes(resource));
  });
  await ctx.recorded();
  return withRefusals(await act({ resources: tried.accepted, validateOnly: false }), refused);
}

function withRefusals(
  answer: AlterConfigsAnswer,
  refused: readonly ConfigRefusal[],
): AlterConfigsAnswer {
  for (const refusal of refused) answer.responses.push(refusal);
  return answer;
}

/** Patterns of a subscription to client metrics must be such as can be matched in linear time. */
function patternProblem(resourceType: number, changes: readonly ChangedConfig[]): string | null {
  if (resourceType !== ConfigResourceType.CLIENT_METRICS) return null;
  const match = changes.find(({ name }) => name === 'match')?.value ?? null;
  return match === null ? null : matchProblem(match);
}

/** The engine renames what it is given. */
const copy = <T extends object>(resource: T): T => ({ ...resource });

function sortOut<T extends ConfigResource>(
  resources: readonly T[],
  { responses }: AlterConfigsAnswer,
): ConfigSplit<T> {
  const split: ConfigSplit<T> = { accepted: [], refused: [] };
  for (const [index, resource] of resources.entries()) {
    const verdict = responses[index];
    if (verdict?.errorCode === ErrorCode.NONE) split.accepted.push(resource);
    else split.refused.push(verdict ?? refuse(resource, ErrorCode.UNKNOWN_SERVER_ERROR));
  }
  return split;
}

function record(
  ctx: RequestContext,
  { resourceType, resourceName }: ConfigResource,
  changes: readonly ChangedConfig[],
): void {
  const about = {
    resourceType: TYPE_NAMES[resourceType] ?? String(resourceType),
    resource: resourceName,
  };
  for (let from = 0; from === 0 || from < changes.length; from += CONFIGS_PER_LINE) {
    const facts: Record<string, string | null> = { ...about };
    for (const { name, verb, value } of changes.slice(from, from + CONFIGS_PER_LINE)) {
      facts[`${verb} ${name}`] = value;
    }
    ctx.administration('configs-alter', facts);
  }
}

function answerOf(responses: ConfigRefusal[]): AlterConfigsAnswer {
  return { throttleTimeMs: 0, responses };
}
