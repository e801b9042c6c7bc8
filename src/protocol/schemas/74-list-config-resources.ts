/**
 * ListConfigResources (key 74): lists the names of configuration resources. Version 0 knows client
 * metrics only.
 */
import { array, type Infer, int8, int16, int32, message, string, struct } from '../schema.ts';

export const listConfigResourcesRequest = message(
  'ListConfigResourcesRequest',
  { versions: '0-1', flexible: '0+' },
  {
    resourceTypes: array('1+', int8()),
  },
);
export interface ListConfigResourcesRequest extends Infer<typeof listConfigResourcesRequest> {}

const configResource = struct({
  resourceName: string('0+'),
  resourceType: int8('1+', { default: 16, ignorable: true }),
});
export interface ConfigResource extends Infer<typeof configResource> {}

export const listConfigResourcesResponse = message(
  'ListConfigResourcesResponse',
  { versions: '0-1', flexible: '0+' },
  {
    throttleTimeMs: int32('0+'),
    errorCode: int16('0+'),
    configResources: array('0+', configResource),
  },
);
export interface ListConfigResourcesResponse extends Infer<typeof listConfigResourcesResponse> {}
