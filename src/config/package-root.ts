/** Owns where this installation stands: the folder of package.json, above src/ and dist/ alike. */
import { fileURLToPath } from 'node:url';

export const PACKAGE_ROOT: string = fileURLToPath(new URL('../../', import.meta.url));
