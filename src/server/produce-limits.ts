/**
 * What the operator's limits mean for a Produce: batches taken out of the request before it reaches
 * the engine, their refusals put into the answer, and how many bytes a tenant has on disk.
 */
import type { Clock } from '../base/clock.ts';
import type {
  ProduceRequest,
  ProduceResponse,
  TopicProduceResponse,
} from '../protocol/schemas/00-produce.ts';
import type { DescribeLogDirsResponse } from '../protocol/schemas/35-describe-log-dirs.ts';

interface Refusal {
  readonly errorCode: number;
  readonly message: string;
}

/** Takes the batches out of the request that `refusalOf` (by their bytes) does not let through. */
export function refuseBatches(
  request: ProduceRequest,
  refusalOf: (bytes: number) => Refusal | null,
): { readonly refused: readonly TopicProduceResponse[]; readonly acceptedBytes: number } {
  const refused: TopicProduceResponse[] = [];
  let acceptedBytes = 0;
  request.topicData = request.topicData.filter((topic) => {
    const partitionResponses: TopicProduceResponse['partitionResponses'] = [];
    topic.partitionData = topic.partitionData.filter(({ index, records }) => {
      const bytes = records?.length ?? 0;
      const refusal = refusalOf(bytes);
      if (refusal !== null) partitionResponses.push(refusedPartition(index, refusal));
      else acceptedBytes += bytes;
      return refusal === null;
    });
    const { name, topicId } = topic;
    if (partitionResponses.length > 0) refused.push({ name, topicId, partitionResponses });
    return topic.partitionData.length > 0;
  });
  return { refused, acceptedBytes };
}

/** One entry a topic, as clients expect it. */
export function withRefused(
  answer: ProduceResponse,
  refused: readonly TopicProduceResponse[],
): ProduceResponse {
  if (refused.length === 0) return answer;
  const byTopic = new Map(
    answer.responses.map((topic) => [`${topic.name}\n${topic.topicId}`, topic] as const),
  );
  for (const topic of refused) {
    const there = byTopic.get(`${topic.name}\n${topic.topicId}`);
    if (there === undefined) answer.responses.push(topic);
    else for (const one of topic.partitionResponses) there.partitionResponses.push(one);
  }
  return answer;
}

function refusedPartition(
  index: number,
  { errorCode, message }: Refusal,
): TopicProduceResponse['partitionResponses'][number] {
  return {
    index,
    errorCode,
    baseOffset: -1,
    logAppendTimeMs: -1,
    logStartOffset: -1,
    recordErrors: [],
    errorMessage: message,
    currentLeader: { leaderId: -1, leaderEpoch: -1 },
  };
}

const MEASURED_EVERY_MS = 1000;

/**
 * How much a tenant has on disk in the topics that count: measured at most once a second, with what was appended since. A
 * measurement that fails leaves the last one in place.
 */
export class StoredBytes {
  readonly #clock: Clock;
  readonly #measure: () => DescribeLogDirsResponse | Promise<DescribeLogDirsResponse>;
  readonly #counts: (topic: string) => boolean;
  #bytes: number | null = null;
  #sinceMeasured = 0;
  #measuredMs = 0;
  #measuring: Promise<number> | null = null;

  constructor(
    clock: Clock,
    measure: () => DescribeLogDirsResponse | Promise<DescribeLogDirsResponse>,
    counts: (topic: string) => boolean,
  ) {
    this.#clock = clock;
    this.#measure = measure;
    this.#counts = counts;
  }

  /** At once where it is known; a new measurement is begun where the last is old. */
  now(): number | Promise<number> {
    const isOld = this.#clock.monotonicMs() - this.#measuredMs >= MEASURED_EVERY_MS;
    if (this.#bytes === null || isOld) this.#measuring ??= this.#measureAnew();
    if (this.#bytes === null) return this.#measuring!;
    // Who waits for it hears of a failure; nobody does here.
    this.#measuring?.catch(() => {});
    return this.#bytes + this.#sinceMeasured;
  }

  add(bytes: number): void {
    this.#sinceMeasured += bytes;
  }

  async #measureAnew(): Promise<number> {
    const before = this.#sinceMeasured;
    try {
      const { results } = await this.#measure();
      let bytes = 0;
      for (const { topics } of results) {
        for (const { name, partitions } of topics) {
          if (!this.#counts(name)) continue;
          for (const { partitionSize } of partitions) bytes += Number(partitionSize);
        }
      }
      this.#bytes = bytes;
      // What came during the measurement may be in it or not: it counts until the next one.
      this.#sinceMeasured -= before;
      return bytes + this.#sinceMeasured;
    } finally {
      this.#measuredMs = this.#clock.monotonicMs();
      this.#measuring = null;
    }
  }
}
