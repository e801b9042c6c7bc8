/**
 * Kafka's table of ACLs as data: which operations a rule may name on which type of resource, what
 * each allows beside itself, and which rules cover a topic named `matrix.topic`, asked for by
 * device-2 from 127.0.0.1. Written from Kafka's documentation, not from our tables.
 */
import type { AclCreation } from '../../src/protocol/schemas/30-create-acls.ts';
import { WIRE } from '../tools/acls.ts';

export const MATRIX_TOPIC = 'matrix.topic';

/** Codes of the wire: 2 all, 3 read, 4 write, ... 15 two-phase-commit. */
export const OPERATION_CODES = Array.from({ length: 14 }, (_, n) => n + 2);

/** Resource type -> a name it takes, and the operations that a rule on it may name. */
export const RULE_OPERATIONS: Readonly<Record<number, { name: string; operations: number[] }>> = {
  2: { name: 'matrix', operations: [2, 3, 4, 5, 6, 7, 8, 10, 11] },
  3: { name: 'matrix', operations: [2, 3, 6, 8, 10, 11] },
  4: { name: 'kafka-cluster', operations: [2, 5, 7, 8, 9, 10, 11, 12] },
  5: { name: 'matrix', operations: [2, 4, 8, 15] },
  6: { name: 'matrix', operations: [2, 8] },
  7: { name: 'User:matrix', operations: [2, 13, 14] },
};

/** What ALL is on a topic. */
export const TOPIC_OPERATIONS = [3, 4, 5, 6, 7, 8, 10, 11];

/** An ALLOW of the first on a topic permits exactly the second. */
export const IMPLIED: readonly (readonly [operation: number, permits: readonly number[]])[] = [
  [2, TOPIC_OPERATIONS],
  [3, [3, 8]],
  [4, [4, 8]],
  [5, [5]],
  [6, [6, 8]],
  [7, [7, 8]],
  [8, [8]],
  [10, [10]],
  [11, [10, 11]],
];

/** Does a rule with these fields cover the topic? */
export const COVERS: readonly (readonly [change: Partial<AclCreation>, covers: boolean])[] = [
  [{ resourceName: MATRIX_TOPIC }, true],
  [{ resourceName: '*' }, true],
  [{ resourceName: 'matrix.', resourcePatternType: WIRE.PREFIXED }, true],
  [{ resourceName: MATRIX_TOPIC, resourcePatternType: WIRE.PREFIXED }, true],
  [{ resourceName: 'm', resourcePatternType: WIRE.PREFIXED }, true],
  [{ resourceName: 'matrix.' }, false],
  [{ resourceName: 'Matrix.topic' }, false],
  [{ resourceName: 'matrix.topics', resourcePatternType: WIRE.PREFIXED }, false],
  [{ resourceName: MATRIX_TOPIC, resourceType: WIRE.GROUP }, false],
  [{ resourceName: MATRIX_TOPIC, principal: 'User:*' }, true],
  [{ resourceName: MATRIX_TOPIC, principal: 'User:device-1' }, false],
  [{ resourceName: MATRIX_TOPIC, principal: 'User:DEVICE-2' }, false],
  [{ resourceName: MATRIX_TOPIC, principal: 'Fleet:dev' }, true],
  [{ resourceName: MATRIX_TOPIC, principal: 'Fleet:other' }, false],
  [{ resourceName: MATRIX_TOPIC, host: '127.0.0.1' }, true],
  [{ resourceName: MATRIX_TOPIC, host: '127.0.0.0/8' }, true],
  [{ resourceName: MATRIX_TOPIC, host: '127.0.0.2' }, false],
];
