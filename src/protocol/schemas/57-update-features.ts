/**
 * UpdateFeatures (key 57): changes finalized feature levels. Version 0 says allowDowngrade, later
 * versions upgradeType; per-feature results end with version 1.
 */
import { array, bool, type Infer, int8, int16, int32, message, string, struct } from '../schema.ts';

const featureUpdateKey = struct({
  feature: string('0+'),
  maxVersionLevel: int16('0+'),
  allowDowngrade: bool('0'),
  upgradeType: int8('1+', { default: 1 }),
});
export interface FeatureUpdateKey extends Infer<typeof featureUpdateKey> {}

export const updateFeaturesRequest = message(
  'UpdateFeaturesRequest',
  { versions: '0-2', flexible: '0+' },
  {
    timeoutMs: int32('0+', { default: 60000 }),
    featureUpdates: array('0+', featureUpdateKey),
    validateOnly: bool('1+'),
  },
);
export interface UpdateFeaturesRequest extends Infer<typeof updateFeaturesRequest> {}

const updatableFeatureResult = struct({
  feature: string('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+' }),
});
export interface UpdatableFeatureResult extends Infer<typeof updatableFeatureResult> {}

export const updateFeaturesResponse = message(
  'UpdateFeaturesResponse',
  { versions: '0-2', flexible: '0+' },
  {
    throttleTimeMs: int32('0+'),
    errorCode: int16('0+'),
    errorMessage: string('0+', { nullable: '0+' }),
    results: array('0-1', updatableFeatureResult, { ignorable: true }),
  },
);
export interface UpdateFeaturesResponse extends Infer<typeof updateFeaturesResponse> {}
