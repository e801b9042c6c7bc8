/**
 * Owns Casbin: the model of policies/model.conf and the one call that decides.
 *
 * Invariant: the candidates stand in the model only during one synchronous call, so no two decisions
 * mix. The index is proven against the text below; where policies/model.conf (policy.model) says
 * anything else, the model is the operator's own and runs without the index (own-model.ts).
 */

import { basename } from 'node:path';
import {
  Enforcer,
  FunctionMap,
  newEnforcerWithClass,
  newModelFromString,
  type RoleManager,
} from 'casbin';
import { ConfigError } from '../base/errors.ts';
import type { FileSystem } from '../base/file-system.ts';
import { OwnModel } from './own-model.ts';
import { addPolicyFunctions } from './policy-functions.ts';
import { PolicyError } from './policy-parser.ts';
import { type PolicyRule, ruleColumns } from './policy-rule.ts';
import type { CallerColumns } from './policy-variables.ts';

/** What policies/model.conf says, without comments and spaces at the ends of lines. */
const SUPPORTED_MODEL = [
  '[request_definition]',
  'r = sub, fleet, dom, attrs, host, type, name, op, time',
  '[policy_definition]',
  'p = sub, dom, type, pattern, name, op, host, eft, when',
  '[role_definition]',
  'g = _, _, _',
  '[policy_effect]',
  'e = some(where (p.eft == allow)) && !some(where (p.eft == deny))',
  '[matchers]',
  'm = p.type == r.type && (p.dom == r.dom || p.dom == "*" && r.dom != "_operator") && (p.sub == "User:*" || p.sub == r.sub || p.sub == r.fleet || g(r.sub, p.sub, r.dom) || g(r.fleet, p.sub, r.dom)) && covers(p.op, p.eft, r.op) && nameMatches(p.pattern, p.name, p.eft, r.name, r.sub, r.fleet, r.dom, r.attrs) && hostMatches(p.host, r.host) && inWindow(p.when, r.time)',
] as const;

/** The columns of `r`: what Casbin is asked. */
export interface CasbinRequest extends CallerColumns {
  readonly host: string;
  readonly resourceType: string;
  readonly resourceName: string;
  readonly operation: string;
  readonly timeMs: number;
}

export interface CasbinDecision {
  readonly allowed: boolean;
  /** The rule that decided; null when none matched. */
  readonly rule: PolicyRule | null;
}

/** Does the text say what policies/model.conf says? Any other is the operator's own. */
export function isShippedModel(text: string): boolean {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  return lines.join('\n') === SUPPORTED_MODEL.join('\n');
}

/** Casbin copies its whole set of functions for each rule: ours are enough, at half the cost. */
class PolicyEnforcer extends Enforcer {
  protected override fm = new FunctionMap();
}

/** Casbin's own slot for the rules (`p`) or the roles (`g`) of the model. */
function assertion(enforcer: Enforcer, section: 'p' | 'g') {
  const found = enforcer.getModel().model.get(section)?.get(section);
  if (found === undefined) throw new Error(`the model has no section ${section}`);
  return found;
}

export interface PolicyModel {
  /** Casbin's answer over exactly these rules. */
  decide(
    request: CasbinRequest,
    candidates: readonly PolicyRule[],
    roles: RoleManager,
  ): CasbinDecision;
}

/** The model that the index is proven with. */
export async function openPolicyModel(): Promise<PolicyModel> {
  const text = SUPPORTED_MODEL.join('\n');
  const enforcer = await newEnforcerWithClass(PolicyEnforcer, newModelFromString(text));
  await addPolicyFunctions(enforcer);
  const ruleSlot = assertion(enforcer, 'p');
  const roleSlot = assertion(enforcer, 'g');
  return {
    decide(request, candidates, roles) {
      // With no rules at all Casbin evaluates the matcher over empty columns: never ask it that.
      if (candidates.length === 0) return { allowed: false, rule: null };
      const columns = candidates.map(ruleColumns);
      ruleSlot.policy = columns;
      roleSlot.rm = roles;
      try {
        const { subject, fleetSubject, domain, attributes, host } = request;
        const { resourceType, resourceName, operation, timeMs } = request;
        const [allowed, decisive] = enforcer.enforceExSync(
          subject,
          fleetSubject,
          domain,
          attributes,
          host,
          resourceType,
          resourceName,
          operation,
          timeMs,
        );
        const index = columns.indexOf(decisive);
        return { allowed, rule: candidates[index] ?? null };
      } finally {
        ruleSlot.policy = [];
      }
    },
  };
}

/** Reads the model of the file: null where it is the shipped one. Throws ConfigError. */
export function readOwnModel(modelFile: string, files: FileSystem): OwnModel | null {
  let text: string;
  try {
    text = files.readFileSync(modelFile).toString('utf8');
  } catch (cause) {
    throw new ConfigError(`The access model ${modelFile} cannot be read.`, { cause });
  }
  if (isShippedModel(text)) return null;
  try {
    return new OwnModel(basename(modelFile), text);
  } catch (cause) {
    if (!(cause instanceof PolicyError)) throw cause;
    throw new ConfigError(`The access model is not in order. ${cause.message}`, { cause });
  }
}
