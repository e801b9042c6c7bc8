/** Owns where this installation stands: the folder of package.json, above src/ and dist/ alike. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeFileSystem } from '../base/file-system.ts';

export const PACKAGE_ROOT: string = fileURLToPath(new URL('../../', import.meta.url));

/** The version in package.json. */
export function packageVersion(): string {
  const text = nodeFileSystem.readFileSync(join(PACKAGE_ROOT, 'package.json')).toString('utf8');
  const manifest: unknown = JSON.parse(text);
  const isManifest = typeof manifest === 'object' && manifest !== null && 'version' in manifest;
  return isManifest ? String(manifest.version) : 'unknown';
}
