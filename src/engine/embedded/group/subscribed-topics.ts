/** Owns the one look into consumers' metadata: which topics the members of a group subscribe to. */
import { ProtocolError } from '../../../base/errors.ts';
import { decodePrefix } from '../../../protocol/codec.ts';
import { consumerProtocolSubscription } from '../../../protocol/coordinator-records/consumer-protocol.ts';
import { Reader } from '../../../protocol/reader.ts';

/** Bytes of the version; version 0 of the rest is the beginning of every version. */
const VERSION_BYTES = 2;

/** The topics in all of these; null when one of them is no subscription. */
export function subscribedTopicsOf(metadata: readonly Buffer[]): ReadonlySet<string> | null {
  const topics = new Set<string>();
  try {
    for (const bytes of metadata) {
      if (bytes.length < VERSION_BYTES) return null;
      const reader = new Reader(bytes, VERSION_BYTES, bytes.length, 'subscription');
      for (const topic of decodePrefix(consumerProtocolSubscription, 0, reader).topics) {
        topics.add(topic);
      }
    }
  } catch (error) {
    if (error instanceof ProtocolError) return null;
    throw error;
  }
  return topics;
}
