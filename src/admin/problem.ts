/**
 * Owns what goes wrong on the admin API, as it leaves it: application/problem+json (RFC 9457) with a
 * stable `code` and a sentence, never anything internal.
 */
import { KafkaError, StorageError } from '../base/errors.ts';
import { ErrorCode, errorName } from '../protocol/error-codes.ts';

/** A refusal that the caller is told about as it is: the message is public. */
export class AdminError extends Error {
  readonly status: number;
  /** Stable, in kebab case: scripts may rely on it. */
  readonly code: string;

  constructor(status: number, code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'AdminError';
    this.status = status;
    this.code = code;
  }
}

export function auditOffline(cause: unknown): AdminError {
  const detail = 'The audit log cannot be written, so nothing that it would record is done.';
  return new AdminError(503, 'audit-offline', detail, { cause });
}

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  /** What to do next, where there is something that `detail` does not say. */
  readonly next?: string;
}

/** By code; whoever shows a problem to a person shows it too. */
const NEXT_STEPS: Readonly<Record<string, string>> = {
  'audit-offline': 'free space for the audit log or look at the log of the broker, then try again',
  'storage-offline': 'look at the log of the broker; it has to be restarted once the disk is sound',
  'not-authorized': 'an operator with that right has to do it, or the policy needs a rule for it',
  'token-expired': 'get a new token from its issuer; the commands read the file of --token-file',
  'insufficient-scope': 'ask the issuer for a scope that scope.roles of its entry names',
  'no-tenant': 'ask the issuer for a token for one of the tenants of its entry',
  'shut-out': 'an operator of the broker can say why, and resume the tenant or the name',
  'max-connections': 'close connections, or raise admin.max.connections',
  'invalid-cursor': 'ask for the first page again, without a cursor',
  'internal-error': 'look at the log of the broker: it says what failed',
  busy: 'try again in a moment',
};

export const PROBLEM_CONTENT_TYPE = 'application/problem+json';

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  409: 'Conflict',
  413: 'Content Too Large',
  414: 'URI Too Long',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

export function problemOf(status: number, code: string, detail: string): Problem {
  const title = TITLES[status] ?? 'Error';
  const next = Object.hasOwn(NEXT_STEPS, code) ? NEXT_STEPS[code] : undefined;
  const type = `urn:breakwater:problem:${code}`;
  return { type, title, status, code, detail, ...(next !== undefined && { next }) };
}

/** What the HTTP layer itself refuses, by status; its own messages are never shown. */
const HTTP_REFUSALS: Readonly<Record<number, readonly [code: string, detail: string]>> = {
  400: ['malformed-request', 'The request is not well-formed HTTP with a JSON object as its body.'],
  404: ['no-such-route', 'There is nothing at this path.'],
  408: ['request-timeout', 'The request did not arrive in time.'],
  413: ['body-too-large', 'The body is larger than admin.request.max.bytes.'],
  414: ['path-too-long', 'The path is too long.'],
  415: ['not-json', 'The body must be application/json.'],
  431: ['headers-too-large', 'The request headers are too large.'],
};

/** Kafka's codes that are the caller's doing; every other one is ours. */
const KAFKA_STATUS: ReadonlyMap<number, number> = new Map([
  [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 404],
  [ErrorCode.UNKNOWN_TOPIC_ID, 404],
  [ErrorCode.TOPIC_ALREADY_EXISTS, 409],
  [ErrorCode.INVALID_TOPIC_EXCEPTION, 400],
  [ErrorCode.INVALID_PARTITIONS, 400],
  [ErrorCode.INVALID_REPLICATION_FACTOR, 400],
  [ErrorCode.INVALID_CONFIG, 400],
  [ErrorCode.INVALID_REQUEST, 400],
  [ErrorCode.POLICY_VIOLATION, 409],
  [ErrorCode.THROTTLING_QUOTA_EXCEEDED, 429],
  [ErrorCode.KAFKA_STORAGE_ERROR, 503],
]);

/** An engine's answer for one resource, as the error of this API. */
export function fromKafkaError(errorCode: number, message: string | null): AdminError {
  const name = errorName(errorCode).toLowerCase().replaceAll('_', '-');
  const status = KAFKA_STATUS.get(errorCode) ?? 500;
  const detail = status === 500 ? 'The storage engine could not do it.' : message;
  return new AdminError(status, name, detail ?? 'The storage engine refused.');
}

function httpStatusOf(error: unknown): number | null {
  if (typeof error !== 'object' || error === null || !('statusCode' in error)) return null;
  const { statusCode } = error;
  return typeof statusCode === 'number' && HTTP_REFUSALS[statusCode] ? statusCode : null;
}

/** The one place that maps a throwable to an answer. `isInternal`: our own fault, to be logged. */
export function toProblem(error: unknown): { problem: Problem; isInternal: boolean } {
  if (error instanceof AdminError) {
    const problem = problemOf(error.status, error.code, error.message);
    return { problem, isInternal: error.status >= 500 };
  }
  if (error instanceof KafkaError) return toProblem(fromKafkaError(error.errorCode, error.message));
  if (error instanceof StorageError) {
    const detail = 'Storage is offline: see /readyz and the log of the broker.';
    return { problem: problemOf(503, 'storage-offline', detail), isInternal: true };
  }
  const status = httpStatusOf(error);
  if (status !== null) {
    const [code, detail] = HTTP_REFUSALS[status]!;
    return { problem: problemOf(status, code, detail), isInternal: false };
  }
  const detail = 'Something failed inside the broker; its log says what.';
  return { problem: problemOf(500, 'internal-error', detail), isInternal: true };
}
