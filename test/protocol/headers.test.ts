/** Headers: their versions, and what is done with keys and versions that nobody knows. */
import { describe, expect, test } from 'vitest';
import { ProtocolError } from '../../src/base/errors.ts';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import {
  decodeRequest,
  decodeRequestHeader,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  responseCorrelationId,
} from '../../src/protocol/headers.ts';

const header = (hex: string) => {
  const frame = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  return decodeRequestHeader(frame, 0, frame.length);
};

describe('a request header', () => {
  test('has tags from the first flexible version on, and unknown ones are skipped', () => {
    expect(header('0003 0008 00000001 0002 6162').bodyOffset).toBe(12);
    expect(header('0003 0009 00000001 0002 6162 00').bodyOffset).toBe(13);
    expect(header('0003 0009 00000001 0002 6162 01 05 02 ffff').bodyOffset).toBe(17);
  });

  test('without a client id counts as an empty one', () => {
    expect(header('0003 0008 00000001 ffff').clientId).toBe('');
  });

  test('of an unknown version or key can be read', () => {
    expect(header('0012 0063 00000007 0000 00')).toMatchObject({
      apiVersion: 99,
      correlationId: 7,
    });
    expect(header('03e7 0000 00000007 0000')).toMatchObject({ apiKey: 999, correlationId: 7 });
    expect(header('ffff ffff 00000007 0000')).toMatchObject({ apiKey: -1, apiVersion: -1 });
  });

  test.each([
    '',
    '0003',
    '0003 0008 00000001',
    '0003 0008 00000001 0005 61',
    '0003 0008 00000001 fffe',
    '0003 0009 00000001 0000 01 05 7f 00',
  ])('that is cut short or malformed is refused: %s', (hex) =>
    expect(() => header(hex)).toThrow(ProtocolError),
  );
});

test('kafkajs writes the tags of flexible key 46 as the first byte of its body', () => {
  const frame = Buffer.from('002e0000000000010000' + '00' + '0000ea60' + '00' + '00', 'hex');
  const { bodyOffset } = decodeRequestHeader(frame, 0, frame.length);
  const body = decodeRequest(ApiKey.ListPartitionReassignments, 0, frame, bodyOffset, frame.length);
  expect(body).toEqual({ timeoutMs: 60000, topics: null });
});

describe('a response', () => {
  test('carries its size, and comes back as it was', () => {
    const records = Buffer.alloc(10_000, 7);
    const chunks = encodeResponse({
      apiKey: ApiKey.Fetch,
      apiVersion: 12,
      correlationId: 99,
      body: { responses: [{ topic: 't', partitions: [{ partitionIndex: 3, records }] }] },
    });
    expect(chunks).toHaveLength(3);
    expect(chunks[1]).toBe(records);
    const wire = Buffer.concat(chunks);
    expect(wire.readInt32BE(0)).toBe(wire.length - 4);
    const frame = wire.subarray(4);
    expect(responseCorrelationId(frame, 0, frame.length)).toBe(99);
    const { body } = decodeResponse({ apiKey: ApiKey.Fetch, apiVersion: 12, frame });
    expect(body.responses[0]?.partitions[0]?.records?.equals(records)).toBe(true);
  });

  test('to an unknown ApiVersions version is body version 0 for any version asked', () => {
    const wire = Buffer.concat(
      encodeResponse({
        apiKey: ApiKey.ApiVersions,
        apiVersion: 0,
        correlationId: 1,
        body: {
          errorCode: ErrorCode.UNSUPPORTED_VERSION,
          apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 4 }],
        },
      }),
    );
    expect(wire.toString('hex')).toBe(
      '00000010' + '00000001' + '0023' + '00000001' + '001200000004',
    );
    const { body } = decodeResponse({ apiKey: 18, apiVersion: 4, frame: wire.subarray(4) });
    expect(body).toMatchObject({ errorCode: 35, apiKeys: [{ apiKey: 18, maxVersion: 4 }] });
  });

  test('that is cut short is refused', () => {
    for (const frame of [Buffer.alloc(3), Buffer.alloc(5)]) {
      expect(() => decodeResponse({ apiKey: 18, apiVersion: 3, frame })).toThrow(ProtocolError);
    }
  });
});

test('a request without a client id has the null string', () => {
  const [frame] = encodeRequest({
    apiKey: ApiKey.Heartbeat,
    apiVersion: 0,
    correlationId: 2,
    clientId: null,
    body: { groupId: 'g', generationId: 1, memberId: 'm' },
  });
  expect(frame!.toString('hex')).toBe(
    '00000014' + '000c' + '0000' + '00000002' + 'ffff' + '000167' + '00000001' + '00016d',
  );
});
