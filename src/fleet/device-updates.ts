/**
 * Owns how what happens to a connection becomes part of its device's record, and how a record reads.
 *
 * Invariant: a record that had to go while its device was connected is made again at the next fold;
 * what was counted is added exactly once.
 */
import type { Clock } from '../base/clock.ts';
import type { KafkaPrincipal } from '../security/principal.ts';
import type { ProvenIdentity } from '../security/proven-identity.ts';
import type { ConnectionMeter } from './connection-meter.ts';
import {
  type CodeWords,
  DEVICE_KINDS,
  type DeviceFailure,
  type DeviceRecord,
} from './device-record.ts';
import {
  AddressAt,
  Code,
  type DeviceSlabs,
  Figure,
  type Figure as FigureNumber,
  Word,
  type Word as WordNumber,
} from './device-slabs.ts';
import type { DeviceTable } from './device-table.ts';
import type { DeviceTexts } from './device-texts.ts';
import type { ByteCounts } from './fleet.ts';
import { readAddress, writeAddress } from './packed-address.ts';

export interface Refusal {
  readonly tenant: string;
  readonly name: string;
  /** Null: the name was only claimed, by a login that failed. */
  readonly proven: ProvenIdentity | null;
  readonly reason: string;
  readonly detail: string;
  readonly address: string;
}

export interface DeviceUpdatesParts {
  readonly table: DeviceTable;
  readonly words: CodeWords;
  readonly clock: Clock;
  /** The record has to be written. */
  readonly changed: (slot: number) => void;
}

const SECOND_MS = 1000;
/** How often a connection without traffic counts as seen. */
const IDLE_SIGHT_S = 60;
const DETAIL_LENGTH_MAX = 160;

export class DeviceUpdates {
  readonly #table: DeviceTable;
  readonly #slabs: DeviceSlabs;
  readonly #words: CodeWords;
  readonly #clock: Clock;
  readonly #changed: (slot: number) => void;

  constructor({ table, words, clock, changed }: DeviceUpdatesParts) {
    this.#table = table;
    this.#slabs = table.slabs;
    this.#words = words;
    this.#clock = clock;
    this.#changed = changed;
  }

  connection(
    principal: KafkaPrincipal,
    address: string,
    bytes: ByteCounts,
    meter: ConnectionMeter,
  ): DeviceConnection {
    return new DeviceConnection(this, principal, address, bytes, meter);
  }

  /** Null: nobody has a record of whom that would tell. */
  refused({ tenant, name, proven, ...why }: Refusal): DeviceFailure | null {
    const slot =
      proven === null ? this.#table.find(tenant, name) : this.#table.ensure(tenant, name);
    if (slot === 0) return null;
    const slabs = this.#slabs;
    const atMs = this.#clock.nowMs();
    if (proven !== null) this.#identify(slot, proven, atMs);
    addWord(slabs, slot, Word.failures, 1);
    slabs.setWord(slot, Word.failedS, seconds(atMs));
    slabs.setCode(slot, Code.failureReason, this.#words.codeOf(why.reason));
    writeAddress(slabs.address(slot, AddressAt.failed), why.address);
    const detail = why.detail.slice(0, DETAIL_LENGTH_MAX);
    this.#changeTexts(slot, { failureDetail: detail });
    this.#changed(slot);
    return { atMs, reason: why.reason, detail, address: why.address };
  }

  /** Somebody is let in. Answers the record's slot; 0: none can be made. */
  admitted(principal: KafkaPrincipal, address: string): number {
    const { tenant, name, kind, fleet, certificate, expiresAtMs } = principal;
    const slot = kind === 'operator' ? 0 : this.#table.ensure(tenant, name);
    if (slot === 0 || kind === 'operator') return 0;
    const slabs = this.#slabs;
    const nowMs = this.#clock.nowMs();
    const presented =
      certificate === undefined
        ? null
        : {
            serial: certificate.serial,
            issuerKeyId: certificate.issuerKeyId,
            validFromMs: certificate.validFromMs,
            expiresMs: expiresAtMs ?? 0,
          };
    this.#identify(slot, { tenant, name, kind, fleet, certificate: presented }, nowMs);
    slabs.setWord(slot, Word.lastSeenS, seconds(nowMs));
    slabs.setCode(slot, Code.authentication, this.#words.codeOf(principal.authentication));
    writeAddress(slabs.address(slot, AddressAt.last), address);
    this.#table.touch(slot);
    this.#changed(slot);
    return slot;
  }

  opened(slot: number): void {
    addWord(this.#slabs, slot, Word.connects, 1);
    addWord(this.#slabs, slot, Word.connections, 1);
    this.#slabs.setWord(slot, Word.connectedS, seconds(this.#clock.nowMs()));
  }

  counted(slot: number, what: Counted): void {
    const slabs = this.#slabs;
    const nowS = seconds(this.#clock.nowMs());
    const isIdle = what.bytesIn + what.bytesOut + what.requests === 0;
    // A fleet that says nothing must not be written again and again.
    if (isIdle && nowS - slabs.word(slot, Word.lastSeenS) < IDLE_SIGHT_S) return;
    addFigure(slabs, slot, Figure.bytesIn, what.bytesIn);
    addFigure(slabs, slot, Figure.bytesOut, what.bytesOut);
    addFigure(slabs, slot, Figure.requests, what.requests);
    addWord(slabs, slot, Word.denials, what.denials);
    slabs.setWord(slot, Word.lastSeenS, nowS);
    if (what.telemetryMs > 0) slabs.setWord(slot, Word.telemetryS, seconds(what.telemetryMs));
    this.#table.touch(slot);
    this.#changed(slot);
  }

  told(slot: number, meter: ConnectionMeter): void {
    const { clientId, softwareName, softwareVersion } = meter;
    this.#changeTexts(slot, {
      ...(clientId !== null && { clientId }),
      ...(softwareName !== null && { softwareName }),
      ...(softwareVersion !== null && { softwareVersion }),
    });
  }

  disconnected(slot: number, reason: string): void {
    const slabs = this.#slabs;
    slabs.setWord(slot, Word.connections, slabs.word(slot, Word.connections) - 1);
    slabs.setWord(slot, Word.disconnectedS, seconds(this.#clock.nowMs()));
    slabs.setCode(slot, Code.disconnectReason, this.#words.codeOf(reason));
    this.#changed(slot);
  }

  sequenceOf(slot: number): number {
    return this.#slabs.word(slot, Word.sequence);
  }

  isStill(slot: number, sequence: number): boolean {
    return this.#table.isStill(slot, sequence);
  }

  recordOf(slot: number): DeviceRecord {
    const slabs = this.#slabs;
    const word = (which: WordNumber): number => slabs.word(slot, which);
    const texts = this.#table.textsOf(slot);
    const failedMs = timeOf(word(Word.failedS));
    const disconnectedMs = timeOf(word(Word.disconnectedS));
    return {
      tenant: this.#table.tenantOf(slot).name,
      name: texts.name,
      kind: DEVICE_KINDS[slabs.code(slot, Code.kind)] ?? 'user',
      fleet: orNull(texts.fleet),
      authentication: this.#wordOf(slot, Code.authentication),
      firstSeenMs: word(Word.firstSeenS) * SECOND_MS,
      lastSeenMs: timeOf(word(Word.lastSeenS)),
      lastConnectedMs: timeOf(word(Word.connectedS)),
      address: readAddress(slabs.address(slot, AddressAt.last)),
      clientId: orNull(texts.clientId),
      softwareName: orNull(texts.softwareName),
      softwareVersion: orNull(texts.softwareVersion),
      certificate:
        texts.serial === ''
          ? null
          : {
              serial: texts.serial,
              issuerKeyId: texts.issuerKeyId,
              validFromMs: word(Word.certificateValidFromS) * SECOND_MS,
              expiresMs: word(Word.certificateExpiresS) * SECOND_MS,
            },
      bytesIn: slabs.figure(slot, Figure.bytesIn),
      bytesOut: slabs.figure(slot, Figure.bytesOut),
      requests: slabs.figure(slot, Figure.requests),
      denials: word(Word.denials),
      connects: word(Word.connects),
      connections: word(Word.connections),
      authenticationFailures: word(Word.failures),
      lastFailure:
        failedMs === null
          ? null
          : {
              atMs: failedMs,
              reason: this.#wordOf(slot, Code.failureReason) ?? 'other',
              detail: texts.failureDetail,
              address: readAddress(slabs.address(slot, AddressAt.failed)),
            },
      lastDisconnect:
        disconnectedMs === null
          ? null
          : { atMs: disconnectedMs, reason: this.#wordOf(slot, Code.disconnectReason) ?? 'other' },
      telemetryMs: timeOf(word(Word.telemetryS)),
    };
  }

  #wordOf(slot: number, which: Code): string | null {
    return orNull(this.#words.wordOf(this.#slabs.code(slot, which)));
  }

  /** Who it is, as it was proved just now. */
  #identify(slot: number, { kind, fleet, certificate }: ProvenIdentity, nowMs: number): void {
    const slabs = this.#slabs;
    if (slabs.word(slot, Word.firstSeenS) === 0) {
      slabs.setWord(slot, Word.firstSeenS, seconds(nowMs));
    }
    slabs.setCode(slot, Code.kind, DEVICE_KINDS.indexOf(kind));
    if (certificate === null) {
      if (fleet !== null) this.#changeTexts(slot, { fleet });
      return;
    }
    const { serial, issuerKeyId, validFromMs, expiresMs } = certificate;
    slabs.setWord(slot, Word.certificateValidFromS, seconds(validFromMs));
    slabs.setWord(slot, Word.certificateExpiresS, seconds(expiresMs));
    const evenSerial = serial.length % 2 === 0 ? serial : `0${serial}`;
    this.#changeTexts(slot, { fleet: fleet ?? '', serial: evenSerial, issuerKeyId });
  }

  /** Most of the time nothing changes, so that looking costs less than writing. */
  #changeTexts(slot: number, change: Partial<DeviceTexts>): void {
    const texts = this.#table.textsOf(slot);
    const entries = Object.entries(change) as [keyof DeviceTexts, string][];
    if (entries.every(([name, text]) => texts[name] === text)) return;
    this.#table.setTexts(slot, { ...texts, ...change });
  }
}

interface Counted {
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly requests: number;
  readonly denials: number;
  readonly telemetryMs: number;
}

/** One connection, and what of it is in the record already. */
export class DeviceConnection {
  readonly #updates: DeviceUpdates;
  readonly #principal: KafkaPrincipal;
  readonly #address: string;
  readonly #bytes: ByteCounts;
  readonly #meter: ConnectionMeter;
  #slot = 0;
  #sequence = 0;
  #isTold = false;
  #bytesIn = 0;
  #bytesOut = 0;
  #requests = 0;
  #denials = 0;

  constructor(
    updates: DeviceUpdates,
    principal: KafkaPrincipal,
    address: string,
    bytes: ByteCounts,
    meter: ConnectionMeter,
  ) {
    this.#updates = updates;
    this.#principal = principal;
    this.#address = address;
    this.#bytes = bytes;
    this.#meter = meter;
    this.#slotNow();
  }

  fold(): void {
    const slot = this.#slotNow();
    if (slot === 0) return;
    const { bytesRead, bytesWritten } = this.#bytes;
    const { requests, denials, telemetryMs } = this.#meter;
    const counted = {
      bytesIn: bytesRead - this.#bytesIn,
      bytesOut: bytesWritten - this.#bytesOut,
      requests: requests - this.#requests,
      denials: denials - this.#denials,
      telemetryMs,
    };
    this.#bytesIn = bytesRead;
    this.#bytesOut = bytesWritten;
    this.#requests = requests;
    this.#denials = denials;
    this.#updates.counted(slot, counted);
    if (this.#isTold || requests === 0) return;
    this.#updates.told(slot, this.#meter);
    this.#isTold = true;
  }

  closed(reason: string): void {
    this.fold();
    if (this.#slot !== 0) this.#updates.disconnected(this.#slot, reason);
  }

  /** The record had to go meanwhile: it is made again. */
  #slotNow(): number {
    if (this.#slot !== 0 && this.#updates.isStill(this.#slot, this.#sequence)) return this.#slot;
    this.#slot = this.#updates.admitted(this.#principal, this.#address);
    if (this.#slot === 0) return 0;
    this.#sequence = this.#updates.sequenceOf(this.#slot);
    this.#isTold = false;
    this.#updates.opened(this.#slot);
    return this.#slot;
  }
}

const seconds = (timeMs: number): number => Math.floor(timeMs / SECOND_MS) || 0;
const timeOf = (timeS: number): number | null => (timeS === 0 ? null : timeS * SECOND_MS);
const orNull = (text: string): string | null => (text === '' ? null : text);

function addFigure(slabs: DeviceSlabs, slot: number, which: FigureNumber, amount: number): void {
  slabs.setFigure(slot, which, slabs.figure(slot, which) + amount);
}

function addWord(slabs: DeviceSlabs, slot: number, which: WordNumber, amount: number): void {
  slabs.setWord(slot, which, slabs.word(slot, which) + amount);
}
