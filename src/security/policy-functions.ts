/** Owns what a matcher may call beside Casbin's own functions. */
import type { Enforcer } from 'casbin';
import { hostMatches } from './policy-host.ts';
import { covers, nameMatches } from './policy-match.ts';
import { inWindow } from './policy-window.ts';

const functions = { covers, nameMatches, hostMatches, inWindow };

/** Their names. */
export const OWN_FUNCTIONS: readonly string[] = Object.keys(functions);

export async function addPolicyFunctions(enforcer: Enforcer): Promise<void> {
  for (const [name, called] of Object.entries(functions)) await enforcer.addFunction(name, called);
}
