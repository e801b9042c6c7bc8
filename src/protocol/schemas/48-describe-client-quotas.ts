/** DescribeClientQuotas (key 48): reads client quotas by user, client id and address. */
import {
  array,
  bool,
  float64,
  type Infer,
  int8,
  int16,
  int32,
  message,
  string,
  struct,
} from '../schema.ts';

const componentData = struct({
  entityType: string('0+'),
  matchType: int8('0+'),
  match: string('0+', { nullable: '0+' }),
});
export interface ComponentData extends Infer<typeof componentData> {}

export const describeClientQuotasRequest = message(
  'DescribeClientQuotasRequest',
  { versions: '0-1', flexible: '1+' },
  {
    components: array('0+', componentData),
    strict: bool('0+'),
  },
);
export interface DescribeClientQuotasRequest extends Infer<typeof describeClientQuotasRequest> {}

const entityData = struct({
  entityType: string('0+'),
  entityName: string('0+', { nullable: '0+' }),
});
export interface EntityData extends Infer<typeof entityData> {}

const valueData = struct({
  key: string('0+'),
  value: float64('0+'),
});
export interface ValueData extends Infer<typeof valueData> {}

const entryData = struct({
  entity: array('0+', entityData),
  values: array('0+', valueData),
});
export interface EntryData extends Infer<typeof entryData> {}

export const describeClientQuotasResponse = message(
  'DescribeClientQuotasResponse',
  { versions: '0-1', flexible: '1+' },
  {
    throttleTimeMs: int32('0+'),
    errorCode: int16('0+'),
    errorMessage: string('0+', { nullable: '0+' }),
    entries: array('0+', entryData, { nullable: '0+' }),
  },
);
export interface DescribeClientQuotasResponse extends Infer<typeof describeClientQuotasResponse> {}
