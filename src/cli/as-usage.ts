/** A name that cannot be is a mistake on the command line: exit code 2, not 1. */
import { PkiError } from '../base/errors.ts';
import { UsageError } from './command-error.ts';

export function asUsage<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof PkiError) throw new UsageError(error.message);
    throw error;
  }
}
