/**
 * Owns Casbin: the model of policies/model.conf and the one call that decides.
 *
 * Invariant: the candidates stand in the model only during one synchronous call, so no two decisions
 * mix. The text of the model must be the one below, since the index is proven against it.
 */
import {
  Enforcer,
  FunctionMap,
  newEnforcerWithClass,
  newModelFromString,
  type RoleManager,
} from 'casbin';
import { ConfigError } from '../base/errors.ts';
import type { FileSystem } from '../base/file-system.ts';
import { hostMatches } from './policy-host.ts';
import { covers, nameMatches } from './policy-match.ts';
import { PolicyError } from './policy-parser.ts';
import { type PolicyRule, ruleColumns } from './policy-rule.ts';
import type { CallerColumns } from './policy-variables.ts';
import { inWindow } from './policy-window.ts';

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

function checkModel(file: string, text: string): void {
  const lines: string[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    if (line !== SUPPORTED_MODEL[lines.length]) {
      throw new PolicyError(
        file,
        index + 1,
        'the model differs from the one that this version of Breakwater is proven with; restore policies/model.conf',
      );
    }
    lines.push(line);
  }
  if (lines.length !== SUPPORTED_MODEL.length) {
    throw new PolicyError(file, 0, 'the model is not complete; restore policies/model.conf');
  }
}

/** Casbin copies its whole set of functions for each rule: ours are enough, at half the cost. */
class PolicyEnforcer extends Enforcer {
  protected override fm = new FunctionMap();
}

/** The functions that the matcher calls. */
export async function addPolicyFunctions(enforcer: Enforcer): Promise<void> {
  await enforcer.addFunction('covers', covers);
  await enforcer.addFunction('nameMatches', nameMatches);
  await enforcer.addFunction('hostMatches', hostMatches);
  await enforcer.addFunction('inWindow', inWindow);
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

/** Throws PolicyError when the text is not the supported model. */
export async function openPolicyModel(file: string, text: string): Promise<PolicyModel> {
  checkModel(file, text);
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

/** Reads policies/model.conf; throws ConfigError when it is not in order. */
export async function readPolicyModel(modelFile: string, files: FileSystem): Promise<PolicyModel> {
  let text: string;
  try {
    text = files.readFileSync(modelFile).toString('utf8');
  } catch (cause) {
    throw new ConfigError(`The access model ${modelFile} cannot be read.`, { cause });
  }
  try {
    return await openPolicyModel(modelFile, text);
  } catch (cause) {
    if (!(cause instanceof PolicyError)) throw cause;
    throw new ConfigError(`The access model is not in order. ${cause.message}`, { cause });
  }
}
