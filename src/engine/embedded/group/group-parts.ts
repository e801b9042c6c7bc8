/** What the parts of the group coordinator share, and the errors that all of them answer alike. */
import type { Clock } from '../../../base/clock.ts';
import type { Logger } from '../../../base/logger.ts';
import type { Random } from '../../../base/random.ts';
import { ErrorCode } from '../../../protocol/error-codes.ts';
import type { TopicIdentity } from '../../engine.ts';
import type { AppendOutcome } from './compacted-log.ts';
import { visibleGroupId } from './group-id.ts';
import type { GroupLogs } from './group-logs.ts';
import type { GroupSettings } from './group-settings.ts';
import type { Group, Groups } from './groups.ts';

export interface GroupParts {
  readonly settings: GroupSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly groups: Groups;
  readonly logs: GroupLogs;
  readonly topicByName: (name: string) => TopicIdentity | undefined;
  /** Whether members of the group use the topic, by its physical name, as far as can be known. */
  readonly isSubscribed: (group: Group, topic: string) => boolean;
}

/** Kafka's CoordinatorOperationExceptionHelper: what a failed write is to the client. */
export function outcomeError(outcome: AppendOutcome): number {
  switch (outcome) {
    case 'durable':
      return ErrorCode.NONE;
    case 'refused':
      return ErrorCode.COORDINATOR_NOT_AVAILABLE;
    case 'offline':
      return ErrorCode.NOT_COORDINATOR;
  }
}

/** Why this node does not serve a group of members with this id; NONE when it does. */
export function groupIdError(parts: GroupParts, groupId: string): number {
  const visible = visibleGroupId(groupId);
  if (visible === '') return ErrorCode.INVALID_GROUP_ID;
  return legacyGroupIdError(parts, groupId);
}

/** As groupIdError, where the empty id is a group as well: offsets only. */
export function legacyGroupIdError(parts: GroupParts, groupId: string): number {
  if (visibleGroupId(groupId).length > parts.settings.groupIdCharsMax) {
    return ErrorCode.INVALID_GROUP_ID;
  }
  return parts.logs.failureFor(groupId) === null ? ErrorCode.NONE : ErrorCode.NOT_COORDINATOR;
}
