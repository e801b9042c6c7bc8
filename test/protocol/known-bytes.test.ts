/** Byte vectors written by hand from Kafka's encoding rules. */
import { expect, test } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import {
  decodeRequest,
  decodeRequestHeader,
  decodeResponse,
  encodeRequest,
  encodeResponse,
} from '../../src/protocol/headers.ts';

test('an ApiVersions v3 request as librdkafka sends it', () => {
  const [frame, ...rest] = encodeRequest({
    apiKey: ApiKey.ApiVersions,
    apiVersion: 3,
    correlationId: 1,
    clientId: 'rdkafka',
    body: { clientSoftwareName: 'librdkafka', clientSoftwareVersion: '2.15.0' },
  });
  expect(rest).toEqual([]);
  expect(frame!.toString('hex')).toBe(
    '000000250012000300000001000772646b61666b61000b6c696272646b61666b6107322e31352e3000',
  );
  const header = decodeRequestHeader(frame!, 4, frame!.length);
  expect(header).toEqual({
    apiKey: 18,
    apiVersion: 3,
    correlationId: 1,
    clientId: 'rdkafka',
    bodyOffset: 22,
  });
  expect(decodeRequest(18, 3, frame!, header.bodyOffset, frame!.length)).toEqual({
    clientSoftwareName: 'librdkafka',
    clientSoftwareVersion: '2.15.0',
  });
});

test('an ApiVersions v3 response has no tags in its header and its features in tags', () => {
  const frame = Buffer.concat(
    encodeResponse({
      apiKey: ApiKey.ApiVersions,
      apiVersion: 3,
      correlationId: 7,
      body: {
        apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 4 }],
        finalizedFeaturesEpoch: 5,
      },
    }),
  );
  expect(frame.toString('hex')).toBe(
    '0000001d00000007' +
      '0000' +
      '02' +
      '001200000004' +
      '00' +
      '00000000' +
      '01' +
      '01' +
      '08' +
      '0000000000000005',
  );
  expect(decodeResponse({ apiKey: 18, apiVersion: 3, frame, start: 4 }).body).toEqual({
    errorCode: 0,
    apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 4 }],
    throttleTimeMs: 0,
    supportedFeatures: [],
    finalizedFeaturesEpoch: 5,
    finalizedFeatures: [],
    zkMigrationReady: false,
  });
});

/** Bytes in groups, as a person writes them. */
const hex = (...groups: string[]): string => groups.join('').replaceAll(' ', '');

test('a Metadata v1 request for all topics is null, and for no topics empty', () => {
  const frame = (topics: null | []): string =>
    Buffer.concat(
      encodeRequest({
        apiKey: ApiKey.Metadata,
        apiVersion: 1,
        correlationId: 2,
        clientId: 'c',
        body: { topics },
      }),
    ).toString('hex');
  expect(frame(null)).toBe(hex('0000000f', '0003 0001 00000002 0001 63', 'ffffffff'));
  expect(frame([])).toBe(hex('0000000f', '0003 0001 00000002 0001 63', '00000000'));
});

test('a Produce v9 request: compact lengths are one more, every struct ends with its tags', () => {
  const bytes = hex(
    '0000002a', // size
    '0000 0009 00000005 0001 63 00', // header, tags
    '00', // transactional id: null
    'ffff 00007530', // acks -1, 30 s
    '02', // one topic
    '0a 74656c656d65747279', // "telemetry"
    '02 00000003', // one partition, 3
    '04 010203', // records of 3 bytes
    '00 00 00', // tags of partition, topic, request
  );
  const frame = Buffer.from(bytes, 'hex');
  const { bodyOffset } = decodeRequestHeader(frame, 4, frame.length);
  const body = decodeRequest(ApiKey.Produce, 9, frame, bodyOffset, frame.length);
  expect(body).toEqual({
    transactionalId: null,
    acks: -1,
    timeoutMs: 30_000,
    topicData: [
      {
        name: 'telemetry',
        topicId: 'AAAAAAAAAAAAAAAAAAAAAA',
        partitionData: [{ index: 3, records: Buffer.from([1, 2, 3]) }],
      },
    ],
  });
  const again = encodeRequest({
    apiKey: ApiKey.Produce,
    apiVersion: 9,
    correlationId: 5,
    clientId: 'c',
    body,
  });
  expect(Buffer.concat(again).toString('hex')).toBe(bytes);
});

test('a Fetch v12 response: tagged structs carry their size and their own tags', () => {
  const frame = encodeResponse({
    apiKey: ApiKey.Fetch,
    apiVersion: 12,
    correlationId: 1,
    body: {
      responses: [
        {
          topic: 't',
          partitions: [
            {
              partitionIndex: 1,
              errorCode: 74,
              highWatermark: -1,
              currentLeader: { leaderId: 2, leaderEpoch: 9 },
              records: Buffer.alloc(0),
            },
          ],
        },
      ],
    },
  });
  expect(Buffer.concat(frame).toString('hex')).toBe(
    hex(
      '00000045',
      '00000001 00', // correlation id, header tags
      '00000000 0000 00000000', // throttle, error, session
      '02 02 74', // one topic "t"
      '02 00000001 004a', // one partition, FENCED_LEADER_EPOCH
      'ffffffffffffffff ffffffffffffffff ffffffffffffffff',
      '01', // aborted transactions: empty, though null is allowed
      'ffffffff', // preferred read replica
      '01', // records: empty, not null
      '01 01 09 00000002 00000009 00', // one tag: 1, nine bytes, the struct
      '00 00', // tags of topic and response
    ),
  );
});

test('a nullable struct has a marker before it', () => {
  const frame = (nextCursor: null | { topicName: string; partitionIndex: number }): string =>
    Buffer.concat(
      encodeResponse({
        apiKey: ApiKey.DescribeTopicPartitions,
        apiVersion: 0,
        correlationId: 1,
        body: { nextCursor },
      }),
    ).toString('hex');
  expect(frame(null)).toBe(hex('0000000c', '00000001 00', '00000000', '01', 'ff', '00'));
  expect(frame({ topicName: 't', partitionIndex: 7 })).toBe(
    hex('00000013', '00000001 00', '00000000', '01', '01 0274 00000007 00', '00'),
  );
});
