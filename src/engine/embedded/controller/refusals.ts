/**
 * Owns what is said of changes that were not made for reasons that have nothing to do with what was
 * asked for: the queue of changes, the disk.
 */
import type { NotBegun } from '../../../base/change-queue.ts';
import { ErrorCode } from '../../../protocol/error-codes.ts';
import type { Refusal } from './create-topics.ts';

export const NOT_STORED: Refusal = {
  errorCode: ErrorCode.KAFKA_STORAGE_ERROR,
  errorMessage: 'The broker could not store the change.',
};

const MESSAGES: Readonly<Record<NotBegun, string>> = {
  busy: 'Too many changes are waiting; nothing was changed.',
  timeout: 'Other changes took too long; nothing was changed.',
  denied: 'A right that the request needs was taken away; nothing was changed.',
};

/** `deniedCode` is the code of whoever lacks the right to such a resource. */
export function notBegun(reason: NotBegun, deniedCode: number): Refusal {
  const errorCode = reason === 'denied' ? deniedCode : ErrorCode.REQUEST_TIMED_OUT;
  return { errorCode, errorMessage: MESSAGES[reason] };
}
