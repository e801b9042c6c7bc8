/**
 * Owns Kafka's `partition.metadata`, which ties a partition's folder to its topic id. It is synced
 * before the first acknowledged batch: where it is torn or missing, nothing there was acknowledged
 * as durable.
 */

export const PARTITION_METADATA_FILE = 'partition.metadata';

export function formatPartitionMetadata(topicId: string): Buffer {
  return Buffer.from(`version: 0\ntopic_id: ${topicId}\n`);
}

/** The topic id, or undefined when the bytes are no such file. */
export function parsePartitionMetadata(bytes: Buffer): string | undefined {
  return /^version: 0\ntopic_id: ([A-Za-z0-9_-]{22})\n?$/.exec(bytes.toString('latin1'))?.[1];
}
