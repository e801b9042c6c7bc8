/**
 * Owns what stands around a message body: the size, the request and response headers, and which of
 * their versions a message has. Requests carry header version 2 if the request is flexible, else 1;
 * the client id is never compact, so that an old broker can read a newer client's ApiVersions.
 * Responses carry header version 1 if flexible, else 0; ApiVersions always 0 (KIP-511).
 */
import { ProtocolError } from '../base/errors.ts';
import { ApiKey, apiName } from './api-keys.ts';
import { decodeBody, encodeBody } from './codec.ts';
import { ErrorCode } from './error-codes.ts';
import { int16, int32, Reader } from './reader.ts';
import {
  type ApiSchema,
  apiSchema,
  type RequestInit,
  type RequestOf,
  type ResponseInit,
  type ResponseOf,
} from './schemas/index.ts';
import { putInt16, putInt32, Writer } from './writer.ts';

export interface RequestHeader {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
  /** Empty if the client sent null: Kafka treats both alike. */
  readonly clientId: string;
  /** Where the body begins in the frame. */
  readonly bodyOffset: number;
}

/** Bytes of api key, api version and correlation id. */
const FIXED_HEADER_BYTES = 8;

/**
 * Reads the header of a request whose frame, without its size, lies in `frame` from `start` to
 * `end`. Keys and versions that nobody serves are read as well, so that they can be reported; of an
 * unknown version the body must not be read, and of an unknown key not even `bodyOffset` is sure.
 */
export function decodeRequestHeader(frame: Buffer, start: number, end: number): RequestHeader {
  const reader = new Reader(frame, start, end, 'request header');
  const at = reader.take(FIXED_HEADER_BYTES);
  const apiKey = int16(frame, at);
  const apiVersion = int16(frame, at + 2);
  const correlationId = int32(frame, at + 4);
  const clientId = reader.nullableName(reader.int16Length()) ?? '';
  const schema = apiSchema(apiKey);
  if (schema !== undefined && apiVersion >= schema.flexible) reader.skipTags();
  return { apiKey, apiVersion, correlationId, clientId, bodyOffset: reader.offset };
}

function schemaOf(apiKey: number): ApiSchema {
  const schema = apiSchema(apiKey);
  if (schema === undefined) throw new RangeError(`${apiName(apiKey)} has no schema`);
  return schema;
}

/** Decodes the body of a request behind its header. */
export function decodeRequest<K extends ApiKey>(
  apiKey: K,
  apiVersion: number,
  frame: Buffer,
  bodyOffset: number,
  end: number,
): RequestOf<K> {
  const { request } = schemaOf(apiKey);
  return decodeBody(request, apiVersion, frame, bodyOffset, end) as RequestOf<K>;
}

/** Encodes a request with its header and size; the buffers make up the frame in order. */
export function encodeRequest<K extends ApiKey>(request: {
  readonly apiKey: K;
  readonly apiVersion: number;
  readonly correlationId: number;
  readonly clientId: string | null;
  readonly body: RequestInit<K>;
}): Buffer[] {
  const { apiKey, apiVersion, correlationId, clientId, body } = request;
  const schema = schemaOf(apiKey);
  const writer = new Writer();
  const at = writer.reserve(4 + FIXED_HEADER_BYTES);
  putInt16(writer.view, at + 4, apiKey);
  putInt16(writer.view, at + 6, apiVersion);
  putInt32(writer.view, at + 8, correlationId);
  if (clientId === null) writer.nullInt16();
  else writer.string(clientId);
  if (apiVersion >= schema.flexible) writer.uint8(0);
  encodeBody(schema.request, apiVersion, body, writer);
  return finishFrame(writer);
}

/** Encodes a response with its header and size; the buffers make up the frame in order. */
export function encodeResponse<K extends ApiKey>(response: {
  readonly apiKey: K;
  readonly apiVersion: number;
  readonly correlationId: number;
  readonly body: ResponseInit<K>;
}): Buffer[] {
  const { apiKey, apiVersion, correlationId, body } = response;
  const schema = schemaOf(apiKey);
  const writer = new Writer();
  const at = writer.reserve(8);
  putInt32(writer.view, at + 4, correlationId);
  if (hasResponseTags(schema, apiVersion)) writer.uint8(0);
  encodeBody(schema.response, apiVersion, body, writer);
  return finishFrame(writer);
}

function hasResponseTags(schema: ApiSchema, apiVersion: number): boolean {
  return apiVersion >= schema.flexible && schema.key !== ApiKey.ApiVersions;
}

function finishFrame(writer: Writer): Buffer[] {
  const size = writer.length - 4;
  const chunks = writer.finish();
  chunks[0]!.writeInt32BE(size, 0);
  return chunks;
}

/** The correlation id of a response frame without its size: the client looks up what it asked. */
export function responseCorrelationId(frame: Buffer, start: number, end: number): number {
  return int32(frame, new Reader(frame, start, end, 'response header').take(4));
}

export interface ResponseFrame<K extends ApiKey> {
  readonly apiKey: K;
  readonly apiVersion: number;
  readonly frame: Buffer;
  /** Bounds of the response in `frame`, without its size; the whole of it if left out. */
  readonly start?: number;
  readonly end?: number;
}

/** Decodes a response by the key and version of its request. */
export function decodeResponse<K extends ApiKey>({
  apiKey,
  apiVersion,
  frame,
  start = 0,
  end = frame.length,
}: ResponseFrame<K>): { readonly correlationId: number; readonly body: ResponseOf<K> } {
  const schema = schemaOf(apiKey);
  const reader = new Reader(frame, start, end, `${schema.name} response header`);
  const correlationId = int32(frame, reader.take(4));
  if (hasResponseTags(schema, apiVersion)) reader.skipTags();
  const version = bodyVersion(schema, apiVersion, frame, reader.offset, end);
  const body = decodeBody(schema.response, version, frame, reader.offset, end);
  return { correlationId, body: body as ResponseOf<K> };
}

/** A broker that does not know the version of an ApiVersions request answers in version 0. */
function bodyVersion(
  schema: ApiSchema,
  apiVersion: number,
  frame: Buffer,
  offset: number,
  end: number,
): number {
  if (schema.key !== ApiKey.ApiVersions) return apiVersion;
  if (end - offset < 2) throw new ProtocolError('ApiVersions response: no error code');
  return int16(frame, offset) === ErrorCode.UNSUPPORTED_VERSION ? 0 : apiVersion;
}
