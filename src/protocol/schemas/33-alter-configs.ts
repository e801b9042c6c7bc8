/**
 * AlterConfigs (key 33): replaces the whole configuration of resources; superseded by
 * IncrementalAlterConfigs.
 */
import { array, bool, type Infer, int8, int16, int32, message, string, struct } from '../schema.ts';

const alterableConfig = struct({
  name: string('0+'),
  value: string('0+', { nullable: '0+', sensitive: true }),
});
export interface AlterableConfig extends Infer<typeof alterableConfig> {}

const alterConfigsResource = struct({
  resourceType: int8('0+'),
  resourceName: string('0+'),
  configs: array('0+', alterableConfig),
});
export interface AlterConfigsResource extends Infer<typeof alterConfigsResource> {}

export const alterConfigsRequest = message(
  'AlterConfigsRequest',
  { versions: '0-2', flexible: '2+' },
  {
    resources: array('0+', alterConfigsResource),
    validateOnly: bool('0+'),
  },
);
export interface AlterConfigsRequest extends Infer<typeof alterConfigsRequest> {}

const alterConfigsResourceResponse = struct({
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+' }),
  resourceType: int8('0+'),
  resourceName: string('0+'),
});
export interface AlterConfigsResourceResponse extends Infer<typeof alterConfigsResourceResponse> {}

export const alterConfigsResponse = message(
  'AlterConfigsResponse',
  { versions: '0-2', flexible: '2+' },
  {
    throttleTimeMs: int32('0+'),
    responses: array('0+', alterConfigsResourceResponse),
  },
);
export interface AlterConfigsResponse extends Infer<typeof alterConfigsResponse> {}
