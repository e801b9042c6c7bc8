/**
 * Owns the rules of topic names (Kafka's Topic.validate and Topic.unifyCollisionChars), applied to
 * physical names: `<namespace>.<visible name>`, or a bare visible name in the namespace ''.
 *
 * Invariant: rules and collisions are judged on the visible part only, within one namespace, so
 * that no tenant can tell from an answer what another tenant has. Texts here name no topic.
 */

/** A folder is `<name>-<partition>`, and a file name has at most 255 bytes. */
export const PHYSICAL_NAME_LENGTH_MAX = 249;
/** What is left for a tenant beside the longest namespace (63) and its dot. */
export const VISIBLE_NAME_LENGTH_MAX = 184;

const LEGAL_CHARACTERS = /^[a-zA-Z0-9._-]+$/;
/** Names of the engine's own logs, such as `__cluster_metadata`. */
const ENGINE_PREFIX = '__';

/** The part before the first dot; '' for a name without one. */
export function namespaceOf(physicalName: string): string {
  const dot = physicalName.indexOf('.');
  return dot === -1 ? '' : physicalName.slice(0, dot);
}

function visibleNameOf(physicalName: string): string {
  return physicalName.slice(physicalName.indexOf('.') + 1);
}

/** What is wrong with the name, as a sentence for the client; null when it is a legal name. */
export function topicNameProblem(physicalName: string): string | null {
  const visible = visibleNameOf(physicalName);
  if (visible === '') return 'A topic name must not be empty.';
  if (visible === '.' || visible === '..') return "A topic name must not be '.' or '..'.";
  if (visible.length > VISIBLE_NAME_LENGTH_MAX) {
    return `A topic name must not be longer than ${VISIBLE_NAME_LENGTH_MAX} characters.`;
  }
  // The namespace is judged too: it becomes part of a folder's name.
  if (!LEGAL_CHARACTERS.test(physicalName)) {
    return "A topic name holds only ASCII letters, digits, '.', '_' and '-'.";
  }
  if (physicalName.length > PHYSICAL_NAME_LENGTH_MAX) return 'The topic name is too long.';
  if (physicalName.startsWith('.')) return "A topic name without a namespace has no leading '.'.";
  if (physicalName.startsWith(ENGINE_PREFIX)) return 'The topic name is reserved.';
  return null;
}

/** Two topics may not share it: metric names of Kafka write '.' and '_' alike. */
export function collisionKey(physicalName: string): string {
  const namespace = namespaceOf(physicalName);
  return `${namespace}.${visibleNameOf(physicalName).replaceAll('.', '_')}`;
}
