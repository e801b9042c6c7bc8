/**
 * ApiVersions (key 18): which APIs and versions are served, derived from the registry.
 * - Needs no right. An unknown version of it is answered in version 0 with UNSUPPORTED_VERSION by
 *   the pipeline, so that newer clients can step down.
 * - From version 3 the client's software name and version must be well-formed (KIP-511).
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { defineApi, none } from '../define-api.ts';

const SOFTWARE_TEXT = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;

export const apiVersionsApi = defineApi({
  key: ApiKey.ApiVersions,
  versions: { min: 0, max: 4 },
  authorization: none('a client must learn the versions before it can ask for anything'),

  handle(ctx, request) {
    const { clientSoftwareName, clientSoftwareVersion } = request;
    const wellFormed =
      SOFTWARE_TEXT.test(clientSoftwareName) && SOFTWARE_TEXT.test(clientSoftwareVersion);
    if (ctx.apiVersion >= 3 && !wellFormed) return { errorCode: ErrorCode.INVALID_REQUEST };
    // No features are finalized: transactions, KIP-848 groups and the like are not served yet.
    return { apiKeys: ctx.services.advertisedApis, finalizedFeaturesEpoch: -1 };
  },

  fail: (_request, errorCode) => ({ errorCode }),
});
