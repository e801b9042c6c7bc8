/**
 * Holds two worlds against each other that differ only in what the tenant globex does: in one it does
 * nothing, in the other it creates, deletes, fails, exhausts its limits, leaves groups and sessions
 * open. Every answer that acme gets, and the moment at which it gets it, must be the same bytes.
 */
import { expect } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { type SeededRandom, seededRandom } from '../crash/power-cut-file-system.ts';
import { Learned, type RandomRequest, RequestSource } from './random-request.ts';
import { type TenantName, World, type WorldConnection, type WorldSetting } from './world.ts';

/** Turns of the event loop without any work: nothing more comes before the clock moves. */
const QUIET_TURNS = 12;
const LATE_TURNS = 20_000;

const CLIENTS = [
  ['admin-1', null],
  ['admin-1', null],
  ['service-1', null],
  ['service-1', null],
  ['device-1', 'dev'],
  ['stranger', null],
] as const;

interface Seat {
  readonly name: string;
  readonly fleet: string | null;
  /** Of the same client in each world that it is in. */
  connections: WorldConnection[];
  asked: RandomRequest | null;
}

export interface NoninterferenceTally {
  requests: number;
  answers: number;
  closes: number;
  foreignRequests: number;
  foreignAnswers: number;
  /** APIs that acme asked. */
  apis: Set<number>;
  /** Error codes that each was told. */
  errorCodes: Set<unknown>;
  foreignErrorCodes: Set<unknown>;
}

export class NoninterferenceRun {
  readonly #random: SeededRandom;
  readonly #worlds: readonly [World, World];
  readonly #acme: Seat[];
  readonly #globex: Seat[];
  readonly #ours: RequestSource;
  readonly #theirs: RequestSource;
  readonly tally: NoninterferenceTally = {
    requests: 0,
    answers: 0,
    closes: 0,
    foreignRequests: 0,
    foreignAnswers: 0,
    apis: new Set(),
    errorCodes: new Set(),
    foreignErrorCodes: new Set(),
  };

  private constructor(seed: number, worlds: readonly [World, World]) {
    this.#random = seededRandom(seed);
    this.#worlds = worlds;
    const ours = new Learned();
    const theirs = new Learned();
    this.#ours = new RequestSource(this.#random, ours, theirs);
    this.#theirs = new RequestSource(this.#random, theirs, ours);
    const seat =
      (tenant: TenantName, among: readonly World[]) => (client: (typeof CLIENTS)[number]) => {
        const [name, fleet] = client;
        const connections = among.map((world) => world.connect(tenant, name, fleet));
        return { name, fleet, connections, asked: null };
      };
    this.#acme = CLIENTS.map(seat('acme', worlds));
    this.#globex = CLIENTS.map(seat('globex', [worlds[1]]));
  }

  static async open(seed: number, setting: WorldSetting): Promise<NoninterferenceRun> {
    const worlds = [await World.open(setting), await World.open(setting)] as const;
    return new NoninterferenceRun(seed, worlds);
  }

  async close(): Promise<void> {
    for (const world of this.#worlds) await world.close();
  }

  async run(requests: number): Promise<void> {
    while (this.tally.requests < requests) {
      if (this.#random() < 0.5) await this.#letGlobexWork();
      this.#ask(this.#acme, this.#ours);
      await this.#quiet();
      this.#collect();
      if (this.#random() < 0.3 || this.#acme.every(isBusy)) await this.#letTimePass();
    }
  }

  /** A burst of one kind now and then: that is how limits are reached. */
  async #letGlobexWork(): Promise<void> {
    const burst =
      this.#random() < 0.02 ? BURSTS[Math.floor(this.#random() * BURSTS.length)] : undefined;
    const count = burst === undefined ? 1 + Math.floor(this.#random() * 3) : 40;
    for (let n = 0; n < count; n++) {
      this.#ask(this.#globex, this.#theirs, burst);
      await this.#quiet();
      this.#collectGlobex();
    }
  }

  #ask(seats: readonly Seat[], source: RequestSource, only?: ApiKey): void {
    const idle = seats.filter((seat) => !isBusy(seat));
    const seat = idle[Math.floor(this.#random() * idle.length)];
    if (seat === undefined) return;
    const request = source.next(only);
    seat.asked = request;
    for (const connection of seat.connections) connection.send(Buffer.from(request.frame));
    if (seats === this.#globex) this.tally.foreignRequests += 1;
    else {
      this.tally.requests += 1;
      this.tally.apis.add(request.apiKey);
    }
  }

  /** Until neither world does anything, or only one of them has an answer for far too long. */
  async #quiet(): Promise<void> {
    let quietTurns = 0;
    let turns = 0;
    let seen = this.#activity();
    while (quietTurns < QUIET_TURNS || (this.#isUneven() && turns < LATE_TURNS)) {
      await new Promise((resolve) => setImmediate(resolve));
      turns += 1;
      const now = this.#activity();
      quietTurns = now === seen ? quietTurns + 1 : 0;
      seen = now;
    }
  }

  /** Another number when anybody has done anything. */
  #activity(): number {
    let sum = 0;
    for (const { files, answered } of this.#worlds) sum += files.calls + answered.count;
    return sum;
  }

  #isUneven(): boolean {
    return this.#acme.some(({ connections: [one, other] }) => one!.isBusy !== other!.isBusy);
  }

  #collect(): void {
    for (const [place, seat] of this.#acme.entries()) {
      const { asked, connections } = seat;
      const [alone, beside] = connections.map(({ answer, isBusy }) => (isBusy ? null : answer));
      if (asked === null || (alone === null && beside === null)) continue;
      const what = `request ${this.tally.requests}: ${seat.name} asked ${asked.apiKey} version ${asked.apiVersion}`;
      expect(textOf(beside), `${what}: ${asked.frame.toString('base64')}`).toBe(textOf(alone));
      seat.asked = null;
      this.tally.answers += 1;
      if (Buffer.isBuffer(alone)) noteErrors(this.#ours.read(asked, alone), this.tally.errorCodes);
      else if (alone === 'close') this.#reconnect(this.#acme, place, 'acme', this.#worlds);
    }
  }

  #collectGlobex(): void {
    for (const [place, seat] of this.#globex.entries()) {
      const [connection] = seat.connections;
      if (seat.asked === null || connection!.isBusy) continue;
      this.tally.foreignAnswers += 1;
      const { answer } = connection!;
      if (Buffer.isBuffer(answer)) {
        noteErrors(this.#theirs.read(seat.asked, answer), this.tally.foreignErrorCodes);
      } else if (answer === 'close') {
        this.#reconnect(this.#globex, place, 'globex', [this.#worlds[1]]);
      }
      seat.asked = null;
    }
  }

  #reconnect(seats: Seat[], place: number, tenant: TenantName, among: readonly World[]): void {
    const { name, fleet, connections } = seats[place]!;
    for (const { session } of connections) session.close();
    const again = among.map((world) => world.connect(tenant, name, fleet));
    seats[place] = { name, fleet, connections: again, asked: null };
    if (seats === this.#acme) this.tally.closes += 1;
  }

  async #letTimePass(): Promise<void> {
    const byMs = STEPS_MS[Math.floor(this.#random() * STEPS_MS.length)]!;
    for (const world of this.#worlds) world.clock.advance(byMs);
    await this.#quiet();
    this.#collect();
    this.#collectGlobex();
  }
}

const BURSTS: readonly ApiKey[] = [
  ApiKey.CreateTopics,
  ApiKey.Fetch,
  ApiKey.JoinGroup,
  ApiKey.InitProducerId,
  ApiKey.CreateAcls,
  ApiKey.AlterClientQuotas,
  ApiKey.Produce,
  ApiKey.OffsetCommit,
];
const STEPS_MS = [1, 10, 100, 500, 3000, 10_000];

const isBusy = ({ asked }: Seat): boolean => asked !== null;

const textOf = (answer: Buffer | string | null | undefined): string =>
  Buffer.isBuffer(answer) ? answer.toString('latin1') : String(answer);

function noteErrors(message: unknown, into: Set<unknown>): void {
  if (Array.isArray(message)) for (const one of message) noteErrors(one, into);
  else if (typeof message === 'object' && message !== null && !Buffer.isBuffer(message)) {
    for (const [name, value] of Object.entries(message)) {
      if (name === 'errorCode') into.add(value);
      else noteErrors(value, into);
    }
  }
}
