/**
 * Owns the broker's own log: NDJSON on stderr through pino (stdout belongs to the ready line and to
 * what commands print). The access log is audit/'s, not this.
 *
 * Invariants: a value under a name that sounds like a secret is never written, at the top level or
 * one level down; the queue towards a stalled stderr is bounded, lines beyond it are dropped rather
 * than held in memory or waited for.
 */
import { destination, type Logger as PinoLogger, pino, stdSerializers } from 'pino';
import { ConfigError, PkiError } from './errors.ts';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Plain facts beside the message; an Error goes under `err`. Never secrets, never record contents. */
export type LogFields = Readonly<Record<string, unknown>>;

interface LogMethod {
  (message: string): void;
  (fields: LogFields, message: string): void;
}

export interface Logger {
  trace: LogMethod;
  debug: LogMethod;
  info: LogMethod;
  warn: LogMethod;
  error: LogMethod;
  fatal: LogMethod;
  /** A logger that adds `fields` to every line. */
  child(fields: LogFields): Logger;
  isLevelEnabled(level: LogLevel): boolean;
  level(): LogLevel;
  /** From now on, for this logger, its children and whom it is a child of. */
  setLevel(level: LogLevel): void;
}

/** Where lines go; tests pass an array-backed one. */
export interface LogSink {
  write(line: string): void;
}

/** Field names whose value is replaced, wherever they stand (two levels deep). */
const SECRET_FIELDS = [
  'password',
  'passphrase',
  'secret',
  'token',
  'authorization',
  'privateKey',
  'pfx',
  'saslBytes',
  'authBytes',
  'salt',
  'saltedPassword',
  'hmac',
  'records',
];

/** TLS options and records hold these one level down; at the top, `key` is a configuration key. */
const SECRET_NESTED_FIELDS = ['key', 'value'];

/** A stalled stderr may hold back this much before lines are dropped. */
const QUEUED_LOG_BYTES_MAX = 4 * 1024 * 1024;

const STDERR_FD = 2;

export function createLogger(level: LogLevel, sink?: LogSink): Logger {
  const target =
    sink ??
    destination({ dest: STDERR_FD, sync: false, minLength: 0, maxLength: QUEUED_LOG_BYTES_MAX });
  const logger = pino(
    {
      level,
      base: null,
      messageKey: 'message',
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      serializers: { err: errorFields },
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        paths: [
          ...SECRET_FIELDS.flatMap((name) => [name, `*.${name}`]),
          ...SECRET_NESTED_FIELDS.map((name) => `*.${name}`),
        ],
        censor: '[redacted]',
      },
    },
    target,
  );
  return wrap(logger);
}

/** What an operator can put right is a sentence; where in our code it was noticed helps nobody. */
function errorFields(err: unknown): unknown {
  if (err instanceof ConfigError || err instanceof PkiError) {
    // The message with those of its causes, as pino joins them.
    const { message } = stdSerializers.err(err);
    return { type: err.name, code: err.code, message };
  }
  return err instanceof Error ? stdSerializers.err(err) : err;
}

/** Says nothing: for tests and for commands that do not log. */
export const silentLogger: Logger = {
  trace: () => {},
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  fatal: () => {},
  child: () => silentLogger,
  isLevelEnabled: () => false,
  level: () => 'silent',
  setLevel: () => {},
};

/**
 * Narrows pino's logger to our interface, so that nobody comes to lean on the rest of pino. Children
 * are the same logger with fields of their own: a change of level is for all of them.
 */
function wrap(logger: PinoLogger, bound: LogFields = {}): Logger {
  const method =
    (level: Exclude<LogLevel, 'silent'>): LogMethod =>
    (fields: string | LogFields, message?: string) => {
      // Looked up at each call: pino exchanges its methods with the level.
      if (typeof fields === 'string') logger[level](bound, fields);
      else logger[level]({ ...bound, ...fields }, message);
    };
  return {
    trace: method('trace'),
    debug: method('debug'),
    info: method('info'),
    warn: method('warn'),
    error: method('error'),
    fatal: method('fatal'),
    child: (fields) => wrap(logger, { ...bound, ...fields }),
    isLevelEnabled: (level) => logger.isLevelEnabled(level),
    level: () => levelNamed(logger.level),
    setLevel: (level) => {
      logger.level = level;
    },
  };
}

function levelNamed(name: string): LogLevel {
  return LOG_LEVELS.find((level) => level === name) ?? 'info';
}
