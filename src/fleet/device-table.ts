/**
 * Owns the records of devices in memory: found by tenant and name, listed by tenant in the order in
 * which they were made, let go of when there are too many.
 *
 * Invariants: what a record costs is bounded, and none of it is an object of its own. When a tenant
 * has all that it may, or all room is taken, whoever of its own has been unseen longest goes; only a
 * tenant that has less than its even share takes from the one that has most, so that a flood of
 * names never costs another tenant a device. A slot with its sequence number names one record for
 * good. Everything happens on the event loop, in steps that do not depend on how many there are.
 */
import type { Random } from '../base/random.ts';
import { Code, DeviceSlabs, Word } from './device-slabs.ts';
import { type DeviceTexts, isNamed, NO_TEXTS, packTexts, unpackTexts } from './device-texts.ts';
import { KeyedHash } from './keyed-hash.ts';
import { SlotIndex } from './slot-index.ts';
import { TextArena } from './text-arena.ts';

export interface DeviceLimits {
  readonly devicesMax: number;
  readonly devicesPerTenantMax: number;
}

export interface TenantDevices {
  readonly id: number;
  readonly name: string;
  count: number;
  /** Ends of the list by when they were last seen, and of the one by when they were made. */
  longestUnseen: number;
  lastSeen: number;
  firstMade: number;
  lastMade: number;
}

const NAME_BYTES_MAX = 63;
/** More than `devicesMax` may be; a time in seconds and a slot have room in one number. */
const SLOTS_MAX = 2 ** 21;

export class DeviceTable {
  readonly slabs = new DeviceSlabs();
  readonly #texts = new TextArena();
  readonly #index: SlotIndex;
  readonly #hash: KeyedHash;
  readonly #limits: DeviceLimits;
  readonly #onEvicted: (tenant: string, name: string) => void;
  readonly #byName = new Map<string, TenantDevices>();
  readonly #byId: (TenantDevices | undefined)[] = [];
  readonly #freeIds: number[] = [];
  readonly #nameBytes = Buffer.alloc(4 * NAME_BYTES_MAX);
  #count = 0;
  #sequence = 0;
  #evicted = 0;

  /** `onEvicted` is told who had to go, before the record is gone. */
  constructor(
    limits: DeviceLimits,
    random: Random,
    onEvicted: (tenant: string, name: string) => void = () => {},
  ) {
    this.#limits = limits;
    this.#onEvicted = onEvicted;
    this.#hash = new KeyedHash(random.bytes(8));
    this.#index = new SlotIndex((slot) => this.slabs.word(slot, Word.hash));
  }

  get count(): number {
    return this.#count;
  }

  /** Records that had to go since the start. */
  get evicted(): number {
    return this.#evicted;
  }

  get allocatedBytes(): number {
    return this.slabs.allocatedBytes + this.#texts.allocatedBytes + this.#index.allocatedBytes;
  }

  tenants(): Iterable<TenantDevices> {
    return this.#byName.values();
  }

  tenant(name: string): TenantDevices | undefined {
    return this.#byName.get(name);
  }

  /** The record's slot; 0 when there is none. */
  find(tenant: string, name: string): number {
    const devices = this.#byName.get(tenant);
    return devices === undefined ? 0 : this.#find(devices, name);
  }

  /** As `find`, or makes a record, for which another may have to go. 0: no name of a device. */
  ensure(tenant: string, name: string): number {
    const devices = this.#byName.get(tenant) ?? this.#addTenant(tenant);
    const found = this.#find(devices, name);
    if (found !== 0) return found;
    const length = Buffer.byteLength(name);
    if (length === 0 || length > NAME_BYTES_MAX) {
      this.#removeIfEmpty(devices);
      return 0;
    }
    this.#makeRoom(devices);
    // Whoever went may have been its tenant's only one.
    return this.#add(this.#byName.get(tenant) ?? this.#addTenant(tenant), name, length);
  }

  isStill(slot: number, sequence: number): boolean {
    return (
      this.slabs.code(slot, Code.isUsed) === 1 && this.slabs.word(slot, Word.sequence) === sequence
    );
  }

  tenantOf(slot: number): TenantDevices {
    return this.#byId[this.slabs.word(slot, Word.tenant)]!;
  }

  packedTextsOf(slot: number): Buffer {
    return this.#texts.bytesOf(this.slabs.word(slot, Word.text));
  }

  textsOf(slot: number): DeviceTexts {
    const texts = unpackTexts(this.packedTextsOf(slot));
    if (texts === null) throw new Error('a device record whose texts are damaged in memory');
    return texts;
  }

  /** The name must stay what it is. */
  setTexts(slot: number, texts: DeviceTexts): void {
    this.setPackedTexts(slot, packTexts(texts));
  }

  setPackedTexts(slot: number, packed: Buffer): void {
    const text = this.#texts.replace(this.slabs.word(slot, Word.text), packed);
    this.slabs.setWord(slot, Word.text, text);
  }

  /** It was seen just now: of its tenant's it is the last to go. */
  touch(slot: number): void {
    const devices = this.tenantOf(slot);
    if (devices.lastSeen === slot) return;
    this.#unlinkUnseen(devices, slot);
    this.#linkUnseen(devices, slot);
  }

  /** After many records were read: puts each tenant's in the order in which they were last seen. */
  orderByLastSeen(): void {
    const { slabs } = this;
    const keys = new Float64Array(this.#count);
    let filled = 0;
    for (let slot = 1; slot < slabs.extent; slot++) {
      if (slabs.code(slot, Code.isUsed) === 0) continue;
      keys[filled++] = slabs.word(slot, Word.lastSeenS) * SLOTS_MAX + slot;
    }
    for (const key of keys.sort()) this.touch(key % SLOTS_MAX);
  }

  /** The one made after it, in its tenant; 0: it is the last. */
  after(slot: number): number {
    return this.slabs.word(slot, Word.madeAfter);
  }

  remove(slot: number): void {
    const devices = this.tenantOf(slot);
    this.#index.remove(slot);
    this.#unlinkUnseen(devices, slot);
    this.#unlinkMade(devices, slot);
    this.#texts.release(this.slabs.word(slot, Word.text));
    this.slabs.release(slot);
    this.#count--;
    devices.count--;
    this.#removeIfEmpty(devices);
  }

  #find(devices: TenantDevices, name: string): number {
    const bytes = this.#nameBytes;
    const length = bytes.write(name, 0, bytes.length, 'utf8');
    return this.#index.find(this.#hash.of(devices.id, bytes, length), (slot) => {
      const isOfTenant = this.slabs.word(slot, Word.tenant) === devices.id;
      return isOfTenant && isNamed(this.packedTextsOf(slot), bytes, length);
    });
  }

  #add(devices: TenantDevices, name: string, length: number): number {
    const { slabs } = this;
    const slot = slabs.take();
    this.#nameBytes.write(name, 0, length, 'utf8');
    slabs.setWord(slot, Word.hash, this.#hash.of(devices.id, this.#nameBytes, length));
    slabs.setWord(slot, Word.tenant, devices.id);
    slabs.setWord(slot, Word.sequence, ++this.#sequence);
    slabs.setCode(slot, Code.isUsed, 1);
    slabs.setWord(slot, Word.text, this.#texts.put(packTexts({ ...NO_TEXTS, name })));
    this.#index.add(slot);
    this.#linkUnseen(devices, slot);
    this.#linkMade(devices, slot);
    devices.count++;
    this.#count++;
    return slot;
  }

  #makeRoom(devices: TenantDevices): void {
    const { devicesMax, devicesPerTenantMax } = this.#limits;
    if (devices.count >= devicesPerTenantMax) this.#evict(devices.longestUnseen);
    else if (this.#count >= devicesMax) {
      const share = devicesMax / this.#byName.size;
      const payer = devices.count > 0 && devices.count >= share ? devices : this.#largest();
      this.#evict(payer.longestUnseen);
    }
  }

  #evict(slot: number): void {
    this.#evicted++;
    this.#onEvicted(this.tenantOf(slot).name, this.textsOf(slot).name);
    this.remove(slot);
  }

  #largest(): TenantDevices {
    let largest: TenantDevices | undefined;
    for (const devices of this.#byName.values()) {
      if (largest === undefined || devices.count > largest.count) largest = devices;
    }
    return largest!;
  }

  #addTenant(name: string): TenantDevices {
    const id = this.#freeIds.pop() ?? this.#byId.length;
    const ends = { longestUnseen: 0, lastSeen: 0, firstMade: 0, lastMade: 0 };
    const devices = { id, name, count: 0, ...ends };
    this.#byId[id] = devices;
    this.#byName.set(name, devices);
    return devices;
  }

  #removeIfEmpty({ id, name, count }: TenantDevices): void {
    if (count > 0) return;
    this.#byName.delete(name);
    this.#byId[id] = undefined;
    this.#freeIds.push(id);
  }

  #linkUnseen(devices: TenantDevices, slot: number): void {
    const { slabs } = this;
    slabs.setWord(slot, Word.unseenBefore, devices.lastSeen);
    slabs.setWord(slot, Word.unseenAfter, 0);
    if (devices.lastSeen === 0) devices.longestUnseen = slot;
    else slabs.setWord(devices.lastSeen, Word.unseenAfter, slot);
    devices.lastSeen = slot;
  }

  #unlinkUnseen(devices: TenantDevices, slot: number): void {
    const { slabs } = this;
    const before = slabs.word(slot, Word.unseenBefore);
    const after = slabs.word(slot, Word.unseenAfter);
    if (before === 0) devices.longestUnseen = after;
    else slabs.setWord(before, Word.unseenAfter, after);
    if (after === 0) devices.lastSeen = before;
    else slabs.setWord(after, Word.unseenBefore, before);
  }

  #linkMade(devices: TenantDevices, slot: number): void {
    const { slabs } = this;
    slabs.setWord(slot, Word.madeBefore, devices.lastMade);
    if (devices.lastMade === 0) devices.firstMade = slot;
    else slabs.setWord(devices.lastMade, Word.madeAfter, slot);
    devices.lastMade = slot;
  }

  #unlinkMade(devices: TenantDevices, slot: number): void {
    const { slabs } = this;
    const before = slabs.word(slot, Word.madeBefore);
    const after = slabs.word(slot, Word.madeAfter);
    if (before === 0) devices.firstMade = after;
    else slabs.setWord(before, Word.madeAfter, after);
    if (after === 0) devices.lastMade = before;
    else slabs.setWord(after, Word.madeBefore, before);
  }
}
