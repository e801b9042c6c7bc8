/**
 * Owns how the broker finds out how far an audit topic had come in an earlier run.
 *
 * Invariants: what is published never comes from before the topic was begun, so that a tenant's
 * topic holds nothing of one that had its name earlier; a topic that ends with anything but a record
 * of this broker's is left alone. Numbers beyond the end of the audit files are of lines that a power
 * cut took: they will be given to others.
 */
import type { Logger } from '../../base/logger.ts';
import type { AuditTopic } from './audit-topic.ts';
import {
  earlierOf,
  isBehind,
  laterOf,
  openPosition,
  POSITION_HEADER,
  type Position,
  START,
} from './position.ts';
import type { PositionFile } from './position-file.ts';
import type { TopicEnd, TopicLog } from './topic-log.ts';

export interface OpeningParts {
  readonly log: TopicLog;
  readonly positions: PositionFile;
  /** Where the audit files ended when this run began. */
  readonly atStart: Position;
  /** How far the audit log has come by now. */
  readonly live: () => Position;
  readonly logger: Logger;
}

const BEGINS = {
  outcome: 'success',
  reason: 'audit-topic-begins',
  detail: 'The events that follow are published here as well as written to the audit files.',
} as const;

const POSITION_LOST = {
  outcome: 'failure',
  reason: 'audit-records-missing',
  detail: 'How far this topic had come is not known any more: records may be missing before this.',
} as const;

/** Rejects when the topic is not there or cannot be read or written now. */
export async function openTopic(topic: AuditTopic, parts: OpeningParts): Promise<void> {
  const { log, positions, atStart, live, logger } = parts;
  const { name } = topic;
  const identity = log.find(name);
  if (identity === undefined) throw new Error(`topic ${name} is not there`);
  await log.configure(name);
  const end = await log.end(name);
  const found = end.endOffset === 0 ? 'new' : positionIn(end, positions.key);
  if (found === 'foreign') {
    topic.state = 'foreign';
    logger.error(
      { topic: name },
      "a topic of this name was there before and is not the broker's: no events are published to it; set audit.topic.name to another name",
    );
    return;
  }
  const noted = positions.positionOf(identity.topicId);
  if (found === 'new') await topic.note(BEGINS, live(), 'all');
  else if (found === 'unknown' && noted === undefined) {
    await topic.note(POSITION_LOST, live(), 'all');
  } else {
    const last = found === 'unknown' ? START : found;
    topic.position = earlierOf(laterOf(last, noted ?? START), atStart);
    topic.durable = topic.position;
  }
  topic.state = isBehind(topic.position, live()) ? 'behind' : 'live';
}

/** What the last record says. */
function positionIn(
  { startOffset, endOffset, lastRecord }: TopicEnd,
  key: Buffer,
): Position | 'foreign' | 'unknown' {
  if (endOffset === startOffset) return 'unknown';
  const header = lastRecord?.headers.find(({ key: name }) => name === POSITION_HEADER);
  if (header === undefined || header.value === null) return 'foreign';
  return openPosition(key, header.value.toString('latin1')) ?? 'unknown';
}
