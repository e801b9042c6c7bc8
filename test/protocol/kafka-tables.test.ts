/**
 * Holds our tables against Apache Kafka's own message definitions: every message, every version,
 * every field with its type, default, nullability, tag and marks. Nothing may be missing or added.
 */
import { readFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { ApiKey, apiName } from '../../src/protocol/api-keys.ts';
import { ErrorCode, errorName, isRetriable } from '../../src/protocol/error-codes.ts';
import type { Message } from '../../src/protocol/schema.ts';
import { apiSchema, apiSchemas } from '../../src/protocol/schemas/index.ts';
import { inVersions } from '../../src/protocol/versions.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import {
  covers,
  type KafkaApi,
  type KafkaFile,
  kafkaLines,
  ourLines,
  range,
  readKafkaFile,
} from './kafka-message-lines.ts';

describeRequiring(['kafka-messages'], "Kafka's message definitions", () => {
  let kafka: KafkaFile;
  let served: readonly KafkaApi[];
  beforeAll(() => {
    kafka = readKafkaFile();
    served = kafka.apis.filter((api) => api.listeners.includes('broker'));
  });

  test('every API of a broker listener has its key, name and advertised versions', () => {
    expect(Object.entries(ApiKey)).toEqual(served.map(({ name, key }) => [name, key]));
    for (const api of served) {
      expect(apiName(api.key)).toBe(api.name);
      expect(apiSchema(api.key)).toMatchObject({
        key: api.key,
        name: api.name,
        advertisedMin: api.advertisedMin,
        advertisedMax: api.advertisedMax,
      });
    }
  });

  test.each(Object.values(apiSchemas))('$name: every version and field of both messages', (api) => {
    for (const ours of [api.request, api.response] as Message[]) {
      const theirs = kafka.messages.find(({ name }) => name === ours.name)!;
      expect(ours.versions).toEqual(range(theirs.validVersions));
      for (let v = ours.versions.min; v <= ours.versions.max; v++) {
        expect(inVersions(ours.flexible, v)).toBe(covers(theirs.flexibleVersions, v));
        expect(ourLines(ours, v), `${ours.name} v${v}`).toEqual(kafkaLines(theirs, v));
      }
    }
    expect(api.minVersion).toBe(api.request.versions.min);
    expect(api.maxVersion).toBe(api.request.versions.max);
    expect(api.response.versions).toEqual(api.request.versions);
    expect(api.response.flexible).toEqual(api.request.flexible);
  });
});

describeRequiring(['kafka-errors'], "Kafka's error codes", () => {
  test('every code has its name and says whether to try again', () => {
    const theirs: { code: number; name: string; retriable: boolean }[] = JSON.parse(
      readFileSync(process.env.BREAKWATER_KAFKA_ERRORS!, 'utf8'),
    );
    expect(Object.entries(ErrorCode)).toEqual(theirs.map(({ name, code }) => [name, code]));
    for (const { code, name, retriable } of theirs) {
      expect(errorName(code)).toBe(name);
      expect([name, isRetriable(code)]).toEqual([name, retriable]);
    }
  });
});
