/**
 * Threat: text that is no UTF-8, or as long as the wire allows, in every field of a request that an
 * answer may repeat. Each replaced byte takes three in an answer, and an answer that cannot be
 * written would leave a change that was made unanswered.
 */
import { expect, it } from 'vitest';
import { type ApiKey, apiName } from '../../src/protocol/api-keys.ts';
import { decodeResponse, encodeRequest } from '../../src/protocol/headers.ts';
import type { Field, Fields } from '../../src/protocol/schema.ts';
import { apiSchema, type RequestInit } from '../../src/protocol/schemas/index.ts';
import { inVersions } from '../../src/protocol/versions.ts';
import { advertisedApis, servedApi } from '../../src/server/apis/index.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import type { WireClient } from '../tools/wire-client.ts';

const STRING_BYTES_MAX = 32_767;
/** Stands for the bytes that replace it in the encoded frame; no other text holds it. */
const MARK = 'Z';

const TEXTS: readonly [string, string, number][] = [
  ['a byte that is no UTF-8', MARK, 0xff],
  ['as many bytes that are no UTF-8 as fit', MARK.repeat(STRING_BYTES_MAX), 0xff],
  ['as many letters as fit', MARK.repeat(STRING_BYTES_MAX), 'q'.charCodeAt(0)],
  ['as many quotation marks as fit', MARK.repeat(STRING_BYTES_MAX), "'".charCodeAt(0)],
];

/** A request with one element in each array and `text` wherever text may stand. */
function valuesOf(fields: Fields, version: number, text: string): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fields)) {
    if (inVersions(field.versions, version)) values[name] = oneOf(field, version, text);
  }
  return values;
}

function oneOf(field: Field, version: number, text: string): unknown {
  switch (field.kind) {
    case 'struct':
      return valuesOf(field.fields!, version, text);
    case 'array':
      return [oneOf(field.element!, version, text)];
    case 'string':
      return text;
    case 'bytes':
    case 'records':
      return Buffer.alloc(16);
    case 'bool':
      return false;
    case 'uuid':
      return undefined;
    default:
      return 2;
  }
}

const CASES = advertisedApis(true).flatMap(({ apiKey, minVersion, maxVersion }) =>
  TEXTS.map(([shown, text, byte]) => ({
    name: apiName(apiKey as ApiKey),
    shown,
    apiKey: apiKey as ApiKey,
    versions: [...new Set([Math.max(minVersion, servedApi(apiKey)!.versions.min), maxVersion])],
    text,
    byte,
  })),
);

describeRequiring(['built-broker'], 'text that cannot be repeated as it came', () => {
  const fixture = useBroker();
  /** The connection of the last request, unless that was left unanswered. */
  let client: WireClient | undefined;

  it.each(CASES)('$name with $shown is answered', async ({ apiKey, versions, text, byte }) => {
    for (const version of versions) {
      const { fields } = apiSchema(apiKey)!.request;
      const body = valuesOf(fields, version, text) as RequestInit<typeof apiKey>;
      const frame = Buffer.concat(
        encodeRequest({ apiKey, apiVersion: version, correlationId: 1, clientId: MARK, body }),
      );
      for (let at = 14; at < frame.length; at++) {
        if (frame[at] === MARK.charCodeAt(0)) frame[at] = byte;
      }
      client ??= await fixture.connect('acme', 'admin-1');
      const admin: WireClient = client;
      client = undefined;
      const answer = await admin.answerTo(1, frame);
      expect(decodeResponse({ apiKey, apiVersion: version, frame: answer }).body).toBeDefined();
      client = admin;
    }
  });
});
