/** AlterClientQuotas (key 49): changes client quotas. */
import {
  array,
  bool,
  float64,
  type Infer,
  int16,
  int32,
  message,
  string,
  struct,
} from '../schema.ts';

const entityData = struct({
  entityType: string('0+'),
  entityName: string('0+', { nullable: '0+' }),
});
export interface EntityData extends Infer<typeof entityData> {}

const opData = struct({
  key: string('0+'),
  value: float64('0+'),
  remove: bool('0+'),
});
export interface OpData extends Infer<typeof opData> {}

const entryData = struct({
  entity: array('0+', entityData),
  ops: array('0+', opData),
});
export interface EntryData extends Infer<typeof entryData> {}

export const alterClientQuotasRequest = message(
  'AlterClientQuotasRequest',
  { versions: '0-1', flexible: '1+' },
  {
    entries: array('0+', entryData),
    validateOnly: bool('0+'),
  },
);
export interface AlterClientQuotasRequest extends Infer<typeof alterClientQuotasRequest> {}

const alterClientQuotasResponseEntryData = struct({
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+' }),
  entity: array('0+', entityData),
});
export interface AlterClientQuotasResponseEntryData
  extends Infer<typeof alterClientQuotasResponseEntryData> {}

export const alterClientQuotasResponse = message(
  'AlterClientQuotasResponse',
  { versions: '0-1', flexible: '1+' },
  {
    throttleTimeMs: int32('0+'),
    entries: array('0+', alterClientQuotasResponseEntryData),
  },
);
export interface AlterClientQuotasResponse extends Infer<typeof alterClientQuotasResponse> {}
