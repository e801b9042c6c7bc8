/** DescribeConfigs (key 32): reads the configuration of topics, brokers and other resources. */
import { array, bool, type Infer, int8, int16, int32, message, string, struct } from '../schema.ts';

const describeConfigsResource = struct({
  resourceType: int8('0+'),
  resourceName: string('0+'),
  configurationKeys: array('0+', string(), { nullable: '0+' }),
});
export interface DescribeConfigsResource extends Infer<typeof describeConfigsResource> {}

export const describeConfigsRequest = message(
  'DescribeConfigsRequest',
  { versions: '1-4', flexible: '4+' },
  {
    resources: array('0+', describeConfigsResource),
    includeSynonyms: bool('1+'),
    includeDocumentation: bool('3+'),
  },
);
export interface DescribeConfigsRequest extends Infer<typeof describeConfigsRequest> {}

const describeConfigsSynonym = struct({
  name: string('1+'),
  value: string('1+', { nullable: '0+' }),
  source: int8('1+'),
});
export interface DescribeConfigsSynonym extends Infer<typeof describeConfigsSynonym> {}

const describeConfigsResourceResult = struct({
  name: string('0+'),
  value: string('0+', { nullable: '0+' }),
  readOnly: bool('0+'),
  configSource: int8('1+', { default: -1, ignorable: true }),
  isSensitive: bool('0+'),
  synonyms: array('1+', describeConfigsSynonym, { ignorable: true }),
  configType: int8('3+', { ignorable: true }),
  documentation: string('3+', { nullable: '0+', ignorable: true }),
});
export interface DescribeConfigsResourceResult
  extends Infer<typeof describeConfigsResourceResult> {}

const describeConfigsResult = struct({
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+' }),
  resourceType: int8('0+'),
  resourceName: string('0+'),
  configs: array('0+', describeConfigsResourceResult),
});
export interface DescribeConfigsResult extends Infer<typeof describeConfigsResult> {}

export const describeConfigsResponse = message(
  'DescribeConfigsResponse',
  { versions: '1-4', flexible: '4+' },
  {
    throttleTimeMs: int32('0+'),
    results: array('0+', describeConfigsResult),
  },
);
export interface DescribeConfigsResponse extends Infer<typeof describeConfigsResponse> {}
