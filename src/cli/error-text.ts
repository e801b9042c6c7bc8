/**
 * An error as the sentences that a person reads on stderr. Errors of our own say what to do; those of
 * the system are put into words; anything else is a fault of ours and says so. Never a stack trace.
 */
import { CommandError, UsageError } from './command-error.ts';

/** `address` and `port` stand on errors of listen and connect, `path` on those of the disk. */
interface SystemFacts {
  readonly code: string;
  readonly address?: unknown;
  readonly port?: unknown;
  readonly path?: unknown;
}

const DISK_ERRORS: Readonly<Record<string, string>> = {
  EACCES: 'may not be read or written by this user',
  EPERM: 'may not be changed by this user',
  ENOENT: 'is missing',
  EISDIR: 'is a folder, not a file',
  ENOTDIR: 'is a file, not a folder',
  ENOSPC: 'is on a full disk: make room, then try again',
  EDQUOT: 'is beyond the disk quota: make room, then try again',
  EROFS: 'is on a file system that is mounted read-only',
  EMFILE: 'cannot be opened: too many open files (ulimit -n)',
};

const LISTEN_ERRORS: Readonly<Record<string, string>> = {
  EADDRINUSE:
    'is taken by another process: stop it, or choose another port with BREAKWATER_PORT, ' +
    'BREAKWATER_SASL_PORT and BREAKWATER_ADMIN_PORT, or port, sasl.port and admin.port in the ' +
    'configuration (0 takes a free one)',
  EADDRNOTAVAIL: 'is no address of this machine: choose another host',
  EACCES: 'may not be opened by this user: choose a port above 1023',
};

export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return `internal error: ${String(error)}`;
  if (error instanceof CommandError || error instanceof UsageError) return error.message;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (code.endsWith('_ERROR')) return error.message;
  return systemText({ ...error, code }) ?? `internal error: ${error.message}`;
}

function systemText({ code, address, port, path }: SystemFacts): string | null {
  if (typeof port === 'number' && Object.hasOwn(LISTEN_ERRORS, code)) {
    return `${String(address)} port ${port} ${LISTEN_ERRORS[code]}`;
  }
  if (typeof path === 'string' && Object.hasOwn(DISK_ERRORS, code)) {
    return `${path} ${DISK_ERRORS[code]}`;
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return 'a host name cannot be resolved: check host, admin.host and the network';
  }
  return null;
}
