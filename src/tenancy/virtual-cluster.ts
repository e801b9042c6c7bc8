/**
 * What of the machine a tenant's virtual cluster shows. Log directories have a name by their place
 * instead of a path, and no size: how full the disk is tells what other tenants store. The metadata
 * quorum tells who leads and follows, and no offsets: they count the changes of all tenants.
 */
import type { AlterReplicaLogDirsRequest } from '../protocol/schemas/34-alter-replica-log-dirs.ts';
import type { DescribeLogDirsResponse } from '../protocol/schemas/35-describe-log-dirs.ts';
import type { DescribeQuorumResponse } from '../protocol/schemas/55-describe-quorum.ts';

/** Kafka's "not known", for bytes and for offsets. */
const UNTOLD = -1;
/** No directory's path. */
const NOWHERE = '';

export function hideLogDirectories({ results }: DescribeLogDirsResponse): void {
  results.forEach((result, place) => {
    result.logDir = visibleName(place);
    result.totalBytes = UNTOLD;
    result.usableBytes = UNTOLD;
  });
}

/** `actual` has the directories in the order in which `hideLogDirectories` met them. */
export function toActualDirectories(
  { dirs }: AlterReplicaLogDirsRequest,
  { results: actual }: DescribeLogDirsResponse,
): void {
  for (const dir of dirs) {
    const place = actual.findIndex((_, index) => visibleName(index) === dir.path);
    dir.path = actual[place]?.logDir ?? NOWHERE;
  }
}

export function hideQuorumOffsets({ topics }: DescribeQuorumResponse): void {
  for (const partition of topics.flatMap(({ partitions }) => partitions)) {
    partition.highWatermark = UNTOLD;
    for (const replica of [...partition.currentVoters, ...partition.observers]) {
      replica.logEndOffset = UNTOLD;
    }
  }
}

function visibleName(place: number): string {
  return `log-dir-${place}`;
}
