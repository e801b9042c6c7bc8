/**
 * Reads an strace of the broker and tells whether an answer left on a client's socket while a log
 * append was not yet on stable storage.
 *
 * Meant for one client with one request on its way: then every append belongs to the request whose
 * answer comes next, and "nothing unsynced at an answer" is exactly the promise of acks=all.
 * An append counts from the end of its write call; a sync covers what was appended before it began
 * and counts from its own end; an answer counts from the beginning of its write call.
 */

export interface SyncTraceSummary {
  readonly appends: number;
  readonly syncs: number;
  readonly answers: number;
  /** Trace lines of answers that were written while an append was unsynced. */
  readonly unsyncedAnswers: readonly string[];
}

interface Call {
  readonly name: string;
  /** What stands between the brackets, as far as it was printed. */
  readonly argument: string;
}

interface LogFile {
  appended: number;
  synced: number;
}

/** `1234  fdatasync(25</data/t-0/0.log>) = 0`, or its unfinished and resumed halves. */
const linePattern = /^(\d+)\s+(?:(\w+)\((.*)|<\.\.\. (\w+) resumed>(.*))$/;
const writes = new Set(['write', 'writev', 'pwrite64', 'pwritev', 'pwritev2', 'sendto', 'sendmsg']);
const syncs = new Set(['fdatasync', 'fsync']);

/** System calls that `summariseSyncTrace` wants to see. */
export const tracedCalls = [...writes, ...syncs].join(',');

/** Of the client's topic: the broker's own logs (audit topics, the fleet view) have a rhythm of their own. */
const logFileOf = (call: Call): string | undefined =>
  /^\d+<([^>]*\.telemetry-\d+\/[^>]*\.log)>/.exec(call.argument)?.[1];

class TraceReader {
  readonly #socket: RegExp;
  readonly #files = new Map<string, LogFile>();
  /** Thread -> the call it is in, and what its sync will cover. */
  readonly #open = new Map<string, { call: Call; covers: number }>();
  appends = 0;
  syncs = 0;
  answers = 0;
  readonly unsyncedAnswers: string[] = [];

  constructor(brokerPort: number) {
    this.#socket = new RegExp(`^\\d+<TCP(v6)?:\\[.*:${brokerPort}->`);
  }

  line(text: string): void {
    const match = linePattern.exec(text);
    if (match === null) return;
    const [, thread = '', name, argument = '', resumed, tail = ''] = match;
    if (name === undefined) {
      const open = this.#open.get(thread);
      if (open === undefined || open.call.name !== resumed) return;
      this.#open.delete(thread);
      this.#end(open.call, open.covers, tail);
      return;
    }
    const call = { name, argument };
    const covers = this.#begin(call, text);
    if (argument.endsWith('<unfinished ...>')) this.#open.set(thread, { call, covers });
    else this.#end(call, covers, argument);
  }

  /** Returns how many appends a sync that begins here covers. */
  #begin(call: Call, text: string): number {
    if (writes.has(call.name) && this.#socket.test(call.argument)) {
      this.answers += 1;
      const unsynced = [...this.#files.values()].some((file) => file.appended > file.synced);
      if (unsynced) this.unsyncedAnswers.push(text);
    }
    const path = logFileOf(call);
    return path === undefined ? 0 : (this.#files.get(path)?.appended ?? 0);
  }

  #end(call: Call, covers: number, tail: string): void {
    const path = logFileOf(call);
    const result = / = (-?\d+)/.exec(tail)?.[1];
    if (path === undefined || result === undefined || result.startsWith('-')) return;
    const file = this.#files.get(path) ?? { appended: 0, synced: 0 };
    this.#files.set(path, file);
    if (writes.has(call.name)) {
      this.appends += 1;
      file.appended += 1;
    } else if (syncs.has(call.name)) {
      this.syncs += 1;
      file.synced = Math.max(file.synced, covers);
    }
  }
}

/** Goes through the trace (`strace -f -yy`) of a broker that listens on `brokerPort`. */
export const summariseSyncTrace = (trace: string, brokerPort: number): SyncTraceSummary => {
  const reader = new TraceReader(brokerPort);
  for (const line of trace.split('\n')) reader.line(line);
  const { appends, syncs: synced, answers, unsyncedAnswers } = reader;
  return { appends, syncs: synced, answers, unsyncedAnswers };
};
