/**
 * Compares what producers were told with what the log holds, after any number of crashes.
 *
 * Values are unique over the whole history. An acknowledged send must be in the log once, at the
 * offset that was acknowledged; one of unknown outcome at most once; nothing else may be there; and
 * the sends of one producer stand in one partition in the order in which they were sent.
 */

export interface SendOutcome {
  readonly producer: string;
  /** Position among the sends of this producer to this partition: increasing, not dense. */
  readonly sequence: number;
  readonly partition: number;
  readonly value: string;
  /** `failed` means that the broker refused it: it must not be in the log. */
  readonly outcome: 'ok' | 'failed' | 'unknown';
  /** The acknowledged offset; only with `ok`. */
  readonly offset?: number;
}

export interface ReadRecord {
  readonly partition: number;
  readonly offset: number;
  readonly value: string;
}

export type AnomalyKind =
  | 'lost write'
  | 'phantom write'
  | 'duplicate'
  | 'inconsistent offset'
  | 'order'
  | 'unknown value'
  | 'offset gap';

export interface Anomaly {
  readonly kind: AnomalyKind;
  readonly detail: string;
}

export interface HistoryRules {
  /** Whether retries may write twice (a producer without idempotence). Default false. */
  readonly duplicatesAllowed?: boolean;
}

const place = (record: { readonly partition: number; readonly offset?: number }): string =>
  `partition ${record.partition} offset ${record.offset ?? '?'}`;

/** Every offset once, ascending by one from where the partition begins. */
const checkOffsets = (reads: readonly ReadRecord[]): Anomaly[] => {
  const anomalies: Anomaly[] = [];
  const last = new Map<number, ReadRecord>();
  for (const read of reads) {
    const before = last.get(read.partition);
    if (before !== undefined && read.offset !== before.offset + 1) {
      const kind = read.offset <= before.offset ? 'inconsistent offset' : 'offset gap';
      anomalies.push({ kind, detail: `${place(read)} after ${place(before)}` });
    }
    last.set(read.partition, read);
  }
  return anomalies;
};

const checkAcknowledged = (send: SendOutcome, found: readonly ReadRecord[]): Anomaly[] => {
  const what = `${send.value} acknowledged at ${place(send)}`;
  if (found.length === 0) return [{ kind: 'lost write', detail: what }];
  const right = found.some(
    (read) => read.partition === send.partition && read.offset === send.offset,
  );
  if (right) return [];
  return [{ kind: 'inconsistent offset', detail: `${what}, read at ${found.map(place).join()}` }];
};

const checkSend = (
  send: SendOutcome,
  found: readonly ReadRecord[],
  rules: HistoryRules,
): Anomaly[] => {
  const anomalies: Anomaly[] = [];
  if (send.outcome === 'ok') anomalies.push(...checkAcknowledged(send, found));
  if (send.outcome === 'failed' && found.length > 0) {
    anomalies.push({ kind: 'phantom write', detail: `${send.value} was refused, yet is read` });
  }
  if (found.length > 1 && rules.duplicatesAllowed !== true) {
    const places = found.map(place).join(' and ');
    anomalies.push({ kind: 'duplicate', detail: `${send.value} at ${places}` });
  }
  return anomalies;
};

/** First occurrences only: an allowed duplicate may come late. */
const checkOrder = (
  reads: readonly ReadRecord[],
  sends: ReadonlyMap<string, SendOutcome>,
): Anomaly[] => {
  const anomalies: Anomaly[] = [];
  const seen = new Set<string>();
  const last = new Map<string, SendOutcome>();
  for (const read of reads) {
    const send = sends.get(read.value);
    if (send === undefined || seen.has(read.value)) continue;
    seen.add(read.value);
    const line = `${send.producer}/${read.partition}`;
    const before = last.get(line);
    if (before !== undefined && send.sequence < before.sequence) {
      anomalies.push({ kind: 'order', detail: `${send.value} stands after ${before.value}` });
    }
    last.set(line, send);
  }
  return anomalies;
};

/**
 * All anomalies of a history, none when it is consistent.
 * @param reads one full read from the beginning, in offset order within each partition
 */
export const checkHistory = (
  outcomes: readonly SendOutcome[],
  reads: readonly ReadRecord[],
  rules: HistoryRules = {},
): Anomaly[] => {
  const sends = new Map(outcomes.map((send) => [send.value, send]));
  if (sends.size !== outcomes.length) throw new Error('the values of a history must be unique');
  const found = new Map<string, ReadRecord[]>();
  const anomalies = checkOffsets(reads);
  for (const read of reads) {
    if (!sends.has(read.value)) {
      anomalies.push({ kind: 'unknown value', detail: `${read.value} at ${place(read)}` });
    }
    const list = found.get(read.value) ?? [];
    list.push(read);
    found.set(read.value, list);
  }
  for (const send of outcomes) {
    anomalies.push(...checkSend(send, found.get(send.value) ?? [], rules));
  }
  anomalies.push(...checkOrder(reads, sends));
  return anomalies;
};
