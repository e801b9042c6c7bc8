import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../src/base/errors.ts';
import { createLogger, type LogLevel } from '../../src/base/logger.ts';

function logged(level: LogLevel, write: (logger: ReturnType<typeof createLogger>) => void) {
  const lines: string[] = [];
  write(createLogger(level, { write: (line) => lines.push(line) }));
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('the log', () => {
  test('is one JSON object a line, with level, time, message and the fields', () => {
    const [line] = logged('info', (logger) => logger.info({ tenant: 'acme' }, 'hello'));
    expect(line).toMatchObject({ level: 'info', message: 'hello', tenant: 'acme' });
    expect(line?.time).toMatch(/^\d{4}-\d\d-\d\dT/);
    expect(line).not.toHaveProperty('pid');
  });

  test('leaves out what is below its level', () => {
    const lines = logged('warn', (logger) => {
      logger.info('no');
      logger.warn('yes');
    });
    expect(lines.map(({ message }) => message)).toEqual(['yes']);
  });

  test('says what an operator can put right without a stack, and a fault of ours with one', () => {
    const lines = logged('error', (logger) => {
      logger.error({ err: new ConfigError('no PEM certificate') }, 'refused');
      logger.error({ err: new TypeError('of ours') }, 'internal error');
    });
    expect(lines[0]?.err).toEqual({
      type: 'ConfigError',
      code: 'CONFIG_ERROR',
      message: 'no PEM certificate',
    });
    expect(lines[1]?.err).toMatchObject({ message: 'of ours', stack: expect.any(String) });
  });

  test('never shows a secret, at the top or one level down', () => {
    const secrets = {
      password: 's3cret',
      privateKey: 's3cret',
      saslBytes: 's3cret',
      hmac: 's3cret',
    };
    const lines: string[] = [];
    const logger = createLogger('info', { write: (line) => lines.push(line) });
    logger.info({ ...secrets, options: { ...secrets, key: 's3cret', value: 's3cret' } }, 'x');
    logger.child({ token: 's3cret' }).info({ records: 's3cret' }, 'x');
    expect(lines).toHaveLength(2);
    expect(lines.join('')).not.toContain('s3cret');
    expect(lines.join('')).toContain('[redacted]');
  });

  test('a name that tries to forge a line stays inside its string', () => {
    const lines = logged('info', (logger) => logger.info({ name: 'a"}\n{"level":"fatal"' }, 'x'));
    expect(lines).toHaveLength(1);
    expect(lines[0]?.level).toBe('info');
  });

  test('a child adds its fields to every line', () => {
    const [line] = logged('info', (logger) => logger.child({ connectionId: 'c1' }).error('x'));
    expect(line).toMatchObject({ connectionId: 'c1', level: 'error' });
  });

  test('changes its level while it runs, for its children too', () => {
    const lines: string[] = [];
    const logger = createLogger('warn', { write: (line) => lines.push(line) });
    const child = logger.child({ part: 'child' }).child({ deeper: 1 });
    const { debug } = child;
    debug('no');
    expect([logger.level(), child.isLevelEnabled('debug')]).toEqual(['warn', false]);
    logger.setLevel('debug');
    debug({ deeper: 2 }, 'yes');
    expect([child.level(), child.isLevelEnabled('debug')]).toEqual(['debug', true]);
    child.setLevel('silent');
    logger.fatal('no');
    expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([
      { level: 'debug', message: 'yes', part: 'child', deeper: 2 },
    ]);
    expect(lines).toHaveLength(1);
  });
});
