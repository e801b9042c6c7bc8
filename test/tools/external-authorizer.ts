/** Files that set up an external authorizer, written and rewritten by tests. */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from './temporary-directory.ts';

export interface PdpFields {
  readonly protocol?: 'authzen' | 'opa';
  readonly url: string;
  readonly [key: string]: unknown;
}

export interface ExternalFields {
  readonly pdps: Readonly<Record<string, PdpFields>>;
  readonly default?: { readonly mode: string; readonly pdp?: string };
  readonly tenants: Readonly<Record<string, { readonly mode: string; readonly pdp?: string }>>;
}

/** JSON is YAML; the last line says that the file is complete. */
export const externalFileText = ({ pdps, ...rest }: ExternalFields): string => {
  const withProtocol = Object.entries(pdps).map(
    ([name, fields]) => [name, { protocol: 'authzen', ...fields }] as const,
  );
  const all = { pdps: Object.fromEntries(withProtocol), ...rest };
  return `${JSON.stringify(all, null, 2)}\n# end\n`;
};

export interface ExternalFile {
  readonly path: string;
  /** Replaces it whole. */
  write(fields: ExternalFields | string): void;
}

export const externalFile = (fields: ExternalFields): ExternalFile => {
  const path = join(temporaryDirectory('external'), 'external.yaml');
  const file: ExternalFile = {
    path,
    write(content) {
      const text = typeof content === 'string' ? content : externalFileText(content);
      writeFileSync(`${path}.new`, text);
      renameSync(`${path}.new`, path);
    },
  };
  file.write(fields);
  return file;
};
