/**
 * ApiVersions (key 18): what the broker can serve. Its response always has header version 0, and a
 * version that the broker does not know is answered with body version 0 (KIP-511).
 */
import {
  array,
  bool,
  type Infer,
  int16,
  int32,
  int64,
  message,
  string,
  struct,
} from '../schema.ts';

export const apiVersionsRequest = message(
  'ApiVersionsRequest',
  { versions: '0-4', flexible: '3+' },
  {
    clientSoftwareName: string('3+', { ignorable: true }),
    clientSoftwareVersion: string('3+', { ignorable: true }),
  },
);
export interface ApiVersionsRequest extends Infer<typeof apiVersionsRequest> {}

const apiVersion = struct({
  apiKey: int16('0+'),
  minVersion: int16('0+'),
  maxVersion: int16('0+'),
});
export interface ApiVersion extends Infer<typeof apiVersion> {}

const supportedFeatureKey = struct({
  name: string('3+'),
  minVersion: int16('3+'),
  maxVersion: int16('3+'),
});
export interface SupportedFeatureKey extends Infer<typeof supportedFeatureKey> {}

const finalizedFeatureKey = struct({
  name: string('3+'),
  maxVersionLevel: int16('3+'),
  minVersionLevel: int16('3+'),
});
export interface FinalizedFeatureKey extends Infer<typeof finalizedFeatureKey> {}

export const apiVersionsResponse = message(
  'ApiVersionsResponse',
  { versions: '0-4', flexible: '3+' },
  {
    errorCode: int16('0+'),
    apiKeys: array('0+', apiVersion),
    throttleTimeMs: int32('1+', { ignorable: true }),
    supportedFeatures: array('3+', supportedFeatureKey, { tag: 0, ignorable: true }),
    finalizedFeaturesEpoch: int64('3+', { default: -1, tag: 1, ignorable: true }),
    finalizedFeatures: array('3+', finalizedFeatureKey, { tag: 2, ignorable: true }),
    zkMigrationReady: bool('3+', { tag: 3, ignorable: true }),
  },
);
export interface ApiVersionsResponse extends Infer<typeof apiVersionsResponse> {}
