/** A backup or a restore that is refused or has failed: the message says what to do, to an operator. */
export class BackupError extends Error {
  readonly code: string;

  /** `code` is stable, in kebab case. */
  constructor(message: string, options?: { cause?: unknown; code?: string }) {
    super(message, options);
    this.name = 'BackupError';
    this.code = options?.code ?? 'backup-failed';
  }
}
