/**
 * A broker process for one test file, with short cuts to its people and its access log. It is
 * started once and is gone when the file ends.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { type BrokerOptions, type BrokerProcess, startBroker } from './broker-process.ts';
import { type ClientIdentity, clientIdentity } from './client-identity.ts';
import { WireClient } from './wire-client.ts';

const START_TIMEOUT_MS = 30_000;
const POLL_MS = 20;

export interface AuditLine {
  readonly type: string;
  readonly tenant?: string | null;
  readonly principal?: string | null;
  readonly reason?: string;
  readonly detail?: string;
  readonly decision?: string;
  readonly outcome?: string;
  readonly operation?: string;
  readonly resource?: string;
  readonly [field: string]: unknown;
}

export interface BrokerFixture {
  readonly broker: BrokerProcess;
  who(tenant: string, name: string): ClientIdentity;
  connect(tenant: string, name: string): Promise<WireClient>;
  audit(stream: 'security' | 'access'): AuditLine[];
  /** Waits until a line of the stream satisfies `matches`, and gives it. */
  audited(
    stream: 'security' | 'access',
    matches: (line: AuditLine) => boolean,
    withinMs?: number,
  ): Promise<AuditLine>;
}

/** Registers the start and the end of a broker around the tests of the calling file. */
export function useBroker(options: BrokerOptions = {}): BrokerFixture {
  let started: BrokerProcess | undefined;
  const clients: WireClient[] = [];
  beforeAll(async () => {
    started = await startBroker(options);
  }, START_TIMEOUT_MS);
  afterAll(async () => {
    for (const client of clients) client.close();
    await started?.dispose();
  }, START_TIMEOUT_MS);

  const fixture: BrokerFixture = {
    get broker() {
      if (started === undefined) throw new Error('the broker has not started');
      return started;
    },
    who: (tenant, name) => clientIdentity(fixture.broker.certsDir, tenant, name),
    async connect(tenant, name) {
      const client = await WireClient.connect(fixture.broker.port, fixture.who(tenant, name));
      clients.push(client);
      return client;
    },
    audit(stream) {
      const directory = join(fixture.broker.dataDir, 'audit');
      return (
        readdirSync(directory)
          .filter((name) => name.startsWith(`${stream}-`) && name.endsWith('.ndjson'))
          .sort()
          // What follows the last newline is being written.
          .flatMap((name) => readFileSync(join(directory, name), 'utf8').split('\n').slice(0, -1))
          .map((line) => JSON.parse(line) as AuditLine)
      );
    },
    async audited(stream, matches, withinMs = 5000) {
      const deadlineMs = Date.now() + withinMs;
      for (;;) {
        const line = fixture.audit(stream).find(matches);
        if (line !== undefined) return line;
        if (Date.now() > deadlineMs) throw new Error(`no such line in the ${stream} log`);
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
    },
  };
  return fixture;
}
