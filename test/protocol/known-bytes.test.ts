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
