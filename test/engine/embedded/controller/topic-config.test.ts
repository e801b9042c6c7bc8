import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../../../src/base/errors.ts';
import {
  checkTopicDefaults,
  judgeTopicConfigs,
  resolveTopicConfig,
  TOPIC_CONFIG_NAMES,
  TOPIC_CONFIGS,
} from '../../../../src/engine/embedded/controller/topic-config.ts';
import { DEFAULT_LOG_CONFIG } from '../../../../src/engine/embedded/log/log-config.ts';

const judge = (name: string, value: string | null) => judgeTopicConfigs([{ name, value }]);

describe('topic configs', () => {
  it.each([
    ['segment.bytes', '1048576', '1048576'],
    ['segment.bytes', ' 2147483647 ', '2147483647'],
    ['segment.ms', '+60000', '60000'],
    ['segment.index.bytes', '16384', '16384'],
    ['index.interval.bytes', '65536', '65536'],
    ['segment.jitter.ms', '1000', '1000'],
    ['retention.ms', '-1', '-1'],
    ['retention.ms', '0', '0'],
    ['retention.bytes', '1000', '1000'],
    ['flush.messages', '1', '1'],
    ['compression.type', 'zstd', 'zstd'],
    ['retention.bytes', '-1', '-1'],
    ['cleanup.policy', 'delete', 'delete'],
    ['compression.type', 'producer', 'producer'],
    ['message.timestamp.type', 'LogAppendTime', 'LogAppendTime'],
    ['message.timestamp.before.max.ms', '9223372036854775807', '9223372036854775807'],
    ['preallocate', 'FALSE', 'false'],
    ['min.insync.replicas', '1', '1'],
    ['flush.messages', '9223372036854775807', '9223372036854775807'],
  ])('%s accepts %j', (name, value, canonical) => {
    expect(judge(name, value)).toEqual({ texts: { [name]: canonical } });
  });

  it.each([
    ['segment.bytes', '1048575', /1048576 to/],
    ['segment.bytes', '2147483648', /to 2147483647/],
    ['segment.bytes', '1e7', /whole number/],
    ['segment.bytes', '', /whole number/],
    ['segment.bytes', '9'.repeat(40), /whole number/],
    ['segment.ms', '59999', /60000 to/],
    ['segment.index.bytes', '16383', /16384 to/],
    ['index.interval.bytes', '1023', /1024 to/],
    ['index.interval.bytes', '65537', /to 65536/],
    ['flush.messages', '0', /1 to/],
    ['segment.ms', '9223372036854775808', /to 9223372036854775807/],
    ['max.message.bytes', '-1', /0 to/],
    ['message.timestamp.type', 'createtime', /one of/],
    ['retention.ms', '-2', /-1 to/],
    ['retention.bytes', '-2', /-1 to/],
    ['cleanup.policy', 'compact', /only delete is accepted/],
    ['cleanup.policy', 'delete,compact', /only delete is accepted/],
    ['compression.type', 'brotli', /one of/],
    ['compression.gzip.level', '1', /not served/],
    ['min.insync.replicas', '2', /only 1 is accepted/],
    ['unclean.leader.election.enable', 'true', /only false is accepted/],
    ['delete.retention.ms', '1', /not served/],
    ['no.such.config', '1', /Unknown topic config name: no\.such\.config/],
    ['constructor', '1', /Unknown topic config name/],
    ['__proto__', '1', /Unknown topic config name/],
  ])('%s refuses %j', (name, value, problem) => {
    expect(judge(name, value)).toEqual({ problem: expect.stringMatching(problem) });
  });

  it('refuses a config without value, and one given twice', () => {
    expect(judge('segment.ms', null)).toEqual({ problem: expect.stringMatching(/no value/) });
    const twice = { name: 'segment.ms', value: '60005' };
    expect(judgeTopicConfigs([twice, twice])).toEqual({
      problem: expect.stringMatching(/given twice/),
    });
  });

  it('accepts its own defaults', () => {
    for (const name of TOPIC_CONFIG_NAMES) {
      const value = TOPIC_CONFIGS[name].default;
      expect(judge(name, value)).toEqual({ texts: { [name]: value } });
    }
  });

  it('repeats no more than 80 characters of an unknown name', () => {
    const { problem } = judge('x'.repeat(10_000), '1') as { problem: string };
    expect(problem.length).toBeLessThan(150);
  });

  it('resolves the own value before the operator default before the default', () => {
    const defaults = checkTopicDefaults({ 'segment.bytes': '2097152', 'segment.ms': '60007' });
    const config = resolveTopicConfig({ 'segment.ms': '60009' }, defaults);
    expect(config.segmentMs).toBe(60_009);
    expect(config.segmentBytes).toBe(2_097_152);
    expect(config.maxMessageBytes).toBe(1_048_588);
    expect(config.messageTimestampType).toBe('CreateTime');
  });

  it('has the defaults of the log layer', () => {
    const { retentionMs, ...others } = DEFAULT_LOG_CONFIG;
    expect(resolveTopicConfig({}, {})).toMatchObject({ ...others, retentionMs: 604_800_000 });
    // A log of whose topic nothing is known yet deletes nothing.
    expect(retentionMs).toBe(-1);
  });

  it('takes Long.MAX_VALUE for a number that is never reached', () => {
    const { messageTimestampBeforeMaxMs } = resolveTopicConfig({}, {});
    expect(messageTimestampBeforeMaxMs).toBe(Number.MAX_SAFE_INTEGER);
  });

  it('refuses bad operator defaults at start-up', () => {
    expect(() => checkTopicDefaults({ 'retention.ms': '-2' })).toThrow(ConfigError);
  });
});
