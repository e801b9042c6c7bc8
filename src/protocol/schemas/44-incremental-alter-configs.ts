/** IncrementalAlterConfigs (key 44): changes single keys of the configuration of resources. */
import { array, bool, type Infer, int8, int16, int32, message, string, struct } from '../schema.ts';

const alterableConfig = struct({
  name: string('0+'),
  configOperation: int8('0+'),
  value: string('0+', { nullable: '0+', sensitive: true }),
});
export interface AlterableConfig extends Infer<typeof alterableConfig> {}

const alterConfigsResource = struct({
  resourceType: int8('0+'),
  resourceName: string('0+'),
  configs: array('0+', alterableConfig),
});
export interface AlterConfigsResource extends Infer<typeof alterConfigsResource> {}

export const incrementalAlterConfigsRequest = message(
  'IncrementalAlterConfigsRequest',
  { versions: '0-1', flexible: '1+' },
  {
    resources: array('0+', alterConfigsResource),
    validateOnly: bool('0+'),
  },
);
export interface IncrementalAlterConfigsRequest
  extends Infer<typeof incrementalAlterConfigsRequest> {}

const alterConfigsResourceResponse = struct({
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+' }),
  resourceType: int8('0+'),
  resourceName: string('0+'),
});
export interface AlterConfigsResourceResponse extends Infer<typeof alterConfigsResourceResponse> {}

export const incrementalAlterConfigsResponse = message(
  'IncrementalAlterConfigsResponse',
  { versions: '0-1', flexible: '1+' },
  {
    throttleTimeMs: int32('0+'),
    responses: array('0+', alterConfigsResourceResponse),
  },
);
export interface IncrementalAlterConfigsResponse
  extends Infer<typeof incrementalAlterConfigsResponse> {}
