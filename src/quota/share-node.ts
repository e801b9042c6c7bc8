/**
 * Owns one ceiling of the hierarchy (broker, tenant, fleet, principal) for one rate, and how a ceiling
 * is shared out among those below it.
 *
 * A node's weight is its own limit, or its parent's weight where it has none. What it may do now is
 * `weight x level of the parent`: the level is 1 while the parent has room, and falls just so far that
 * those who want more than they get (who are in debt) share what the others leave, by their weights.
 * So unused budget is lent, and it comes back as soon as its owner uses it: the level is set anew
 * every 100 ms, or at once when a tenth of a second's budget is gone twice over.
 *
 * A charge is always accepted: it is a debt that grows smaller as the share is granted, and whoever is
 * in debt waits. What counts against the parent is what was granted.
 *
 * Invariants: over a few seconds the children together are granted no more than the node's own rate,
 * since what was too much is taken off the next seconds (`#carry`); nobody's share falls below its weight's part of
 * it. All of it costs the same whether there are two children or a hundred thousand: only sums are
 * kept, in ten slots of 100 ms.
 */
const SLOT_MS = 100;
const SLOTS = 10;
const SECOND_MS = 1000;
/** What was too much is remembered up to so many seconds of the rate. */
const CARRY_SECONDS_MAX = 5;

/** By then nothing of the last second counts any more. */
const IDLE_MS = 15_000;
/** The longest that a debt is remembered after its last use. */
const DEBT_MS = 3_600_000;

const UNLIMITED = Number.POSITIVE_INFINITY;

interface Slot {
  /** Weights of those last seen in this slot, and of those of them that wanted more. */
  active: number;
  hungry: number;
  /** What was used by the others. */
  usedOther: number;
}

export class ShareNode {
  readonly parent: ShareNode | null;
  readonly #limitOf: () => number;
  #weight = UNLIMITED;
  #generation = -1;
  lastUsedMs: number;
  /** Nodes below it that are there. */
  children = 0;
  /** True once it was dropped for being idle: who holds it asks for another. */
  isGone = false;

  // As one that is limited: what was taken, what was granted, and up to where growth is counted.
  #charged = 0;
  #filled = 0;
  #growthSeen = 0;
  /** Of what was taken, what has been granted and told to the parent. */
  #granted = 0;
  // For what is shown: the sum of this second and of the one before.
  #second = 0;
  #usedNow = 0;
  #usedBefore = 0;

  // As a child of its parent's sums.
  #seenSlot = -1;
  #seenWeight = 0;
  #hungrySlot = -1;
  #hungryWeight = 0;

  // As a parent.
  #level = 1;
  /** Seconds times level since the beginning. */
  #growth = 0;
  #grownMs: number;
  #slot: number;
  readonly #slots: Slot[] = [];
  #carry = 0;
  #settledMs: number;
  #usedSince = 0;
  #firstMs: number;

  constructor(parent: ShareNode | null, limitOf: () => number, nowMs: number) {
    this.parent = parent;
    this.#limitOf = limitOf;
    this.#grownMs = nowMs;
    this.#settledMs = nowMs;
    this.#firstMs = nowMs;
    this.lastUsedMs = nowMs;
    this.#slot = slotOf(nowMs);
    this.#growthSeen = parent?.growth(nowMs) ?? nowMs / SECOND_MS;
    if (parent !== null) parent.children += 1;
  }

  /** Looks its limit up again once a limit has changed. */
  refresh(generation: number): void {
    if (this.#generation === generation) return;
    this.parent?.refresh(generation);
    this.#generation = generation;
    this.#weight = Math.min(this.#limitOf(), this.parent?.weight ?? UNLIMITED);
  }

  /** Its limit, or what is above it where that is less. */
  get weight(): number {
    return this.#weight;
  }

  /** What was taken is more than what was granted so far. */
  get isInDebt(): boolean {
    return this.#charged > this.#filled;
  }

  /** What it may do a second as things stand. */
  get rate(): number {
    const weight = this.#weight;
    return weight === UNLIMITED ? UNLIMITED : weight * (this.parent?.levelForChildren ?? 1);
  }

  get levelForChildren(): number {
    return this.#weight === UNLIMITED ? 1 : this.#level;
  }

  /** What was taken in the last whole second. */
  usedPerSecond(nowMs: number): number {
    this.#count(0, nowMs);
    return this.#usedBefore;
  }

  /** Takes `amount`; answers the mark to ask `waitMs` with. */
  charge(amount: number, nowMs: number): number {
    this.lastUsedMs = nowMs;
    this.#fill(nowMs);
    this.#charged += amount;
    if (this.weight === UNLIMITED) this.#filled = this.#charged;
    for (let node: ShareNode | null = this; node !== null; node = node.parent) {
      node.#count(amount, nowMs);
    }
    this.#tell(nowMs);
    return this.#charged;
  }

  /** How long until what was taken up to `mark` is granted. Keeps the claim alive meanwhile. */
  waitMs(mark: number, nowMs: number): number {
    this.#fill(nowMs);
    const { rate } = this;
    if (rate === UNLIMITED || this.#filled >= mark) return 0;
    this.lastUsedMs = nowMs;
    this.#tell(nowMs);
    return Math.max(1, Math.ceil(((mark - this.#filled) / this.rate) * SECOND_MS));
  }

  /** As good as one that is made anew: without debt, unused for a while, and nobody below it. */
  isAsNew(nowMs: number): boolean {
    if (this.children > 0 || nowMs - this.lastUsedMs < IDLE_MS) return false;
    this.#fill(nowMs);
    return this.#filled >= this.#charged || nowMs - this.lastUsedMs > DEBT_MS;
  }

  /** The integral of the level over time, in seconds; what a child gets is this times its weight. */
  growth(nowMs: number): number {
    if (nowMs === this.#grownMs) return this.#growth;
    this.#growth += (Math.max(0, nowMs - this.#grownMs) / SECOND_MS) * this.levelForChildren;
    this.#grownMs = Math.max(this.#grownMs, nowMs);
    return this.#growth;
  }

  #fill(nowMs: number): void {
    const growth = this.parent?.growth(nowMs) ?? nowMs / SECOND_MS;
    const { rate, weight } = this;
    if (weight === UNLIMITED) this.#filled = this.#charged;
    else {
      const filled = this.#filled + weight * (growth - this.#growthSeen);
      // A second's worth may be used at once by whoever was quiet before.
      this.#filled = Math.min(filled, this.#charged + rate);
    }
    this.#growthSeen = growth;
  }

  /** Tells everybody above what was granted since the last time, and whether more is wanted. */
  #tell(nowMs: number): void {
    const granted = Math.min(this.#filled, this.#charged);
    const amount = granted - this.#granted;
    this.#granted = granted;
    let isHungry = this.isInDebt;
    let child: ShareNode = this;
    for (let node = this.parent; node !== null; node = node.parent) {
      node.lastUsedMs = nowMs;
      if (node.weight !== UNLIMITED) {
        node.#note(child, amount, isHungry, nowMs);
        isHungry &&= node.#level < 1 || child.weight >= node.weight;
      }
      child = node;
    }
  }

  #note(child: ShareNode, amount: number, isHungry: boolean, nowMs: number): void {
    this.#turnTo(nowMs);
    const { weight } = child;
    const now = this.#slotNow();
    if (child.#seenSlot !== this.#slot || child.#seenWeight !== weight) {
      const before = this.#slotAt(child.#seenSlot);
      if (before !== undefined) before.active -= child.#seenWeight;
      now.active += weight;
      child.#seenSlot = this.#slot;
      child.#seenWeight = weight;
    }
    const claimed = isHungry ? weight : 0;
    if (child.#hungrySlot !== this.#slot || child.#hungryWeight !== claimed) {
      const before = this.#slotAt(child.#hungrySlot);
      if (before !== undefined) before.hungry -= child.#hungryWeight;
      now.hungry += claimed;
      child.#hungrySlot = this.#slot;
      child.#hungryWeight = claimed;
    }
    if (!isHungry) now.usedOther += amount;
    this.#usedSince += amount;
    if (this.#usedSince > (2 * this.rate * SLOT_MS) / SECOND_MS) this.#settle(nowMs);
  }

  #count(amount: number, nowMs: number): void {
    const second = Math.floor(nowMs / SECOND_MS);
    if (second !== this.#second) {
      this.#usedBefore = second === this.#second + 1 ? this.#usedNow : 0;
      this.#usedNow = 0;
      this.#second = second;
    }
    this.#usedNow += amount;
  }

  /** Forgets the slots that are over. */
  #turnTo(nowMs: number): void {
    const slot = slotOf(nowMs);
    if (slot <= this.#slot) return;
    if (this.#slots.length > 0) this.#settle(nowMs);
    const passed = Math.min(SLOTS, slot - this.#slot);
    for (let index = 0; index < passed; index++) {
      const old = this.#slots[(slot - index) % SLOTS];
      if (old !== undefined) {
        old.active = 0;
        old.hungry = 0;
        old.usedOther = 0;
      }
    }
    this.#slot = slot;
  }

  /** Sets the level anew from what was seen in the last second. */
  #settle(nowMs: number): void {
    this.growth(nowMs);
    const { rate } = this;
    if (rate === UNLIMITED || this.weight === UNLIMITED) {
      this.#carry = 0;
      this.#usedSince = 0;
      this.#settledMs = nowMs;
      return;
    }
    const seconds = (nowMs - this.#settledMs) / SECOND_MS;
    this.#settledMs = nowMs;
    const carried = this.#carry + rate * seconds - this.#usedSince;
    this.#usedSince = 0;
    this.#carry = Math.min(rate, Math.max(-CARRY_SECONDS_MAX * rate, carried));
    let active = 0;
    let hungry = 0;
    let usedOther = 0;
    for (const slot of this.#slots) {
      active += slot.active;
      hungry += slot.hungry;
      usedOther += slot.usedOther;
    }
    const target = Math.max(rate / 10, rate + Math.min(0, this.#carry));
    const fair = Math.min(1, target / Math.max(active, this.weight));
    const windowMs = Math.min(SECOND_MS, Math.max(SLOT_MS, nowMs - this.#firstMs));
    const others = (usedOther * SECOND_MS) / windowMs;
    const wanted = hungry > 0 ? (target - others) / hungry : this.#carry < 0 ? fair : 1;
    const raised = Math.min(wanted, this.#level * 2);
    this.#level = Math.min(1, Math.max(fair, raised));
  }

  #slotNow(): Slot {
    const index = this.#slot % SLOTS;
    while (this.#slots.length <= index) {
      this.#slots.push({ active: 0, hungry: 0, usedOther: 0 });
    }
    return this.#slots[index]!;
  }

  /** The sums of a slot that is still counted. */
  #slotAt(slot: number): Slot | undefined {
    const isCounted = slot >= 0 && slot > this.#slot - SLOTS;
    return isCounted ? this.#slots[slot % SLOTS] : undefined;
  }
}

const slotOf = (nowMs: number): number => Math.floor(nowMs / SLOT_MS);
