/** DeleteTopics (key 20): deletes topics: by name up to version 5, by name or id in version 6. */
import {
  array,
  type Infer,
  int16,
  int32,
  message,
  string,
  struct,
  topicName,
  uuid,
} from '../schema.ts';

const deleteTopicState = struct({
  name: topicName('6+', { nullable: '6+', default: null }),
  topicId: uuid('6+'),
});
export interface DeleteTopicState extends Infer<typeof deleteTopicState> {}

export const deleteTopicsRequest = message(
  'DeleteTopicsRequest',
  { versions: '1-6', flexible: '4+' },
  {
    topics: array('6+', deleteTopicState),
    topicNames: array('0-5', topicName(), { ignorable: true }),
    timeoutMs: int32('0+'),
  },
);
export interface DeleteTopicsRequest extends Infer<typeof deleteTopicsRequest> {}

const deletableTopicResult = struct({
  name: topicName('0+', { nullable: '6+' }),
  topicId: uuid('6+', { ignorable: true }),
  errorCode: int16('0+'),
  errorMessage: string('5+', { nullable: '5+', default: null, ignorable: true }),
});
export interface DeletableTopicResult extends Infer<typeof deletableTopicResult> {}

export const deleteTopicsResponse = message(
  'DeleteTopicsResponse',
  { versions: '1-6', flexible: '4+' },
  {
    throttleTimeMs: int32('1+', { ignorable: true }),
    responses: array('0+', deletableTopicResult),
  },
);
export interface DeleteTopicsResponse extends Infer<typeof deleteTopicsResponse> {}
