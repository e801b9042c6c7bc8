/**
 * ApiVersions (key 18): which APIs and versions are served, derived from the registry.
 * - Needs no right. An unknown version of it is answered in version 0 with UNSUPPORTED_VERSION by
 *   the pipeline, so that newer clients can step down.
 * - From version 3 the client's software name and version must be well-formed (KIP-511).
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { decodeRequest, type RequestHeader } from '../../protocol/headers.ts';
import type { RequestOf, ResponseInit } from '../../protocol/schemas/index.ts';
import { defineApi, none } from '../define-api.ts';
import type { ServerServices } from '../request-context.ts';

const SOFTWARE_TEXT = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;

type Software = Pick<
  RequestOf<typeof ApiKey.ApiVersions>,
  'clientSoftwareName' | 'clientSoftwareVersion'
>;
type AdvertisedApis = ServerServices['advertisedApis'];
type Versions = ResponseInit<typeof ApiKey.ApiVersions>;

const VERSIONS = { min: 0, max: 4 } as const;

export const apiVersionsApi = defineApi({
  key: ApiKey.ApiVersions,
  versions: VERSIONS,
  authorization: none('a client must learn the versions before it can ask for anything'),

  handle: (ctx, request) => {
    const { clientSoftwareName: name, clientSoftwareVersion: version } = request;
    if (isWellFormed(request)) ctx.session.deviceMeter.software(name, version);
    return versionsFor(ctx.apiVersion, request, ctx.services.advertisedApis);
  },

  fail: (_request, errorCode) => ({ errorCode }),
});

function versionsFor(
  apiVersion: number,
  request: RequestOf<typeof ApiKey.ApiVersions>,
  apiKeys: AdvertisedApis,
): Versions {
  if (apiVersion >= 3 && !isWellFormed(request)) return { errorCode: ErrorCode.INVALID_REQUEST };
  // No features are finalized: transactions, KIP-848 groups and the like are not served yet.
  return { apiKeys, finalizedFeaturesEpoch: -1 };
}

function isWellFormed({ clientSoftwareName, clientSoftwareVersion }: Software): boolean {
  return SOFTWARE_TEXT.test(clientSoftwareName) && SOFTWARE_TEXT.test(clientSoftwareVersion);
}

/** KIP-511: a version that is not known is answered in version 0, with our range. */
export function unsupportedVersions(): Versions {
  const { min, max } = VERSIONS;
  return {
    errorCode: ErrorCode.UNSUPPORTED_VERSION,
    apiKeys: [{ apiKey: ApiKey.ApiVersions, minVersion: min, maxVersion: max }],
  };
}

/** The answer to a client that has no identity yet, and the version to encode it in. */
export function apiVersionsAnswer(
  header: RequestHeader,
  frame: Buffer,
  apiKeys: AdvertisedApis,
): {
  readonly body: Versions;
  readonly apiVersion: number;
  readonly isAnswered: boolean;
  /** Null: it told nothing, or nothing well-formed. */
  readonly software: Software | null;
} {
  const { apiVersion, bodyOffset } = header;
  if (apiVersion > VERSIONS.max) {
    return { body: unsupportedVersions(), apiVersion: 0, isAnswered: false, software: null };
  }
  const request = decodeRequest(ApiKey.ApiVersions, apiVersion, frame, bodyOffset, frame.length);
  const body = versionsFor(apiVersion, request, apiKeys);
  const software = isWellFormed(request) ? request : null;
  return { body, apiVersion, isAnswered: body.apiKeys !== undefined, software };
}
