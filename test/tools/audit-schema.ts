/** docs/audit-record.schema.json as a check: what is wrong with a line of the audit log. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { projectRoot } from './project-root.ts';

const ajv = new Ajv2020({
  allErrors: false,
  strict: true,
  strictTypes: false,
  strictRequired: false,
});
// The package is CommonJS: its default export is one level down in some loaders.
const addFormats = 'default' in formats ? formats.default : formats;
addFormats(ajv);
const schema: unknown = JSON.parse(
  readFileSync(join(projectRoot, 'docs', 'audit-record.schema.json'), 'utf8'),
);
const validate = ajv.compile(schema as object);

/** Null: nothing. */
export function auditRecordProblem(record: unknown): string | null {
  if (validate(record)) return null;
  const said = (validate.errors ?? []).map(({ instancePath, message, params }) =>
    [instancePath, message, JSON.stringify(params)].join(' '),
  );
  return `${JSON.stringify(record)}: ${said.join('; ')}`;
}
