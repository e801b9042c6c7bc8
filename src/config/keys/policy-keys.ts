/** Owns the keys of authorization: where the policies are and how often they are looked at. */
import { integer, optionalPath } from '../config-spec.ts';
import { HOUR_MS, SECOND_MS } from './units.ts';

export const POLICY_KEYS = {
  'policy.dir': optionalPath({
    doc: 'Folder of the policy files (*.csv), one a tenant. Watched: a file is taken over when it is complete (its last line is "# end") and valid.',
  }),
  'policy.shadow.dir': optionalPath({
    doc: 'Folder of a candidate policy. It decides nothing: where it would decide otherwise than policy.dir is counted and shown by "breakwater policy shadow". Empty: none.',
  }),
  'policy.model': optionalPath({
    doc: 'The Casbin model; empty means the one that Breakwater ships. Any other runs without the index, with at most 1,000 rules.',
  }),
  'policy.reload.interval.ms': integer({
    default: SECOND_MS,
    min: 50,
    max: HOUR_MS,
    doc: 'How often the policy files are looked at for changes.',
  }),
  'authorizer.external.file': optionalPath({
    doc: 'YAML file that names the tenants whose decisions are asked of a policy decision point (AuthZEN, OPA), and how. Looked at as often as the policy files; its last line is "# end". Empty: the policy decides everything.',
  }),
};
