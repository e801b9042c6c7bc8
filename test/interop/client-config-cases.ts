/** A device with every output of `cert issue --with`, in a folder of its own. */
import { join } from 'node:path';
import { type IssuedFiles, issueDevice } from '../../src/pki/issue.ts';
import type { KeyType } from '../../src/pki/key-pair.ts';
import { openPki } from '../../src/pki/pki-directory.ts';
import { testDirectory } from '../pki/temporary-pki.ts';

export interface ConfiguredDevice {
  readonly issued: IssuedFiles;
  /** The path of one of its files. */
  file(name: string): string;
}

export function configuredDevice(
  broker: { readonly certsDir: string; readonly port: number },
  device: string,
  keyType: KeyType,
): ConfiguredDevice {
  const outDir = testDirectory('configured');
  const issued = issueDevice(
    openPki(broker.certsDir),
    { tenant: 'acme', device, fleet: 'dev' },
    {
      outDir,
      keyType,
      outputs: ['p12', 'truststore', 'properties', 'kcat'],
      bootstrap: `127.0.0.1:${broker.port}`,
    },
  );
  return { issued, file: (name) => join(outDir, name) };
}
