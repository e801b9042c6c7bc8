/**
 * Owns the reading of DER in place, for what comes from others in quantity: CRLs, and certificates
 * that clients show. Invariants: every length is checked before it is used; a value lies within the
 * one around it; nothing is copied but what is asked for.
 */
import { PkiError } from '../base/errors.ts';
import { Tag } from './der.ts';

export interface DerNode {
  readonly tag: number;
  /** Where the whole value begins, its content begins, and both end. */
  readonly start: number;
  readonly content: number;
  readonly end: number;
}

export const CONSTRUCTED = 0x20;
export const SEQUENCE = Tag.SEQUENCE | CONSTRUCTED;
export const SET = Tag.SET | CONSTRUCTED;

/** All of the bytes, to be walked over. */
export const wholeOf = (der: Buffer): DerNode => ({
  tag: 0,
  start: 0,
  content: 0,
  end: der.length,
});

export const rawOf = (der: Buffer, { start, end }: DerNode): Buffer => der.subarray(start, end);

/** Goes over the values inside one constructed value, in order. */
export class DerWalk {
  readonly #der: Buffer;
  readonly #end: number;
  readonly #what: string;
  #at: number;

  /** `what` begins the message of the PkiError for what is not in order: "the CRL". */
  constructor(der: Buffer, { content, end }: DerNode, what: string) {
    this.#der = der;
    this.#at = content;
    this.#end = end;
    this.#what = what;
  }

  get done(): boolean {
    return this.#at === this.#end;
  }

  nextIs(...tags: readonly number[]): boolean {
    return this.#at < this.#end && tags.includes(this.#der[this.#at]!);
  }

  /** The next value, which must have this tag and lie within. */
  take(tag: number): DerNode {
    if (!this.nextIs(tag)) throw this.#broken('it is not what RFC 5280 describes');
    return this.takeAny();
  }

  /** The next value, whatever it is. */
  takeAny(): DerNode {
    const start = this.#at;
    if (this.done) throw this.#broken('it is not what RFC 5280 describes');
    let length = this.#der[start + 1] ?? 0x80;
    let content = start + 2;
    if (length >= 0x80) {
      const octets = length & 0x7f;
      if (octets < 1 || octets > 4 || content + octets > this.#end) {
        throw this.#broken('it is cut short');
      }
      length = this.#der.readUIntBE(content, octets);
      content += octets;
    }
    const end = content + length;
    if (end > this.#end) throw this.#broken('it is cut short');
    this.#at = end;
    return { tag: this.#der[start]!, start, content, end };
  }

  finish(): void {
    if (!this.done) throw this.#broken('more follows than RFC 5280 describes');
  }

  hex({ content, end }: DerNode): string {
    return this.#der.toString('hex', content, end).toUpperCase();
  }

  /** A non-negative INTEGER without its leading zeros. */
  serial(): string {
    const { content, end } = this.take(Tag.INTEGER);
    if (end === content || this.#der[content]! >= 0x80) throw this.#broken('a number is negative');
    let from = content;
    while (from < end - 1 && this.#der[from] === 0) from++;
    return this.#der.toString('hex', from, end).toUpperCase();
  }

  time(): number {
    const isShort = this.nextIs(Tag.UTC_TIME);
    const node = this.take(isShort ? Tag.UTC_TIME : Tag.GENERALIZED_TIME);
    const text = this.#der.toString('latin1', node.content, node.end);
    const parts = /^(\d{2}|\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text);
    if (parts === null || parts[1]!.length !== (isShort ? 2 : 4)) {
      throw this.#broken('a time is none');
    }
    const [year = 0, month = 1, ...rest] = parts.slice(1).map(Number);
    const [day = 1, hour = 0, minute = 0, second = 0] = rest;
    const fullYear = !isShort ? year : year < 50 ? 2000 + year : 1900 + year;
    return Date.UTC(fullYear, month - 1, day, hour, minute, second);
  }

  #broken(why: string): PkiError {
    return new PkiError(`${this.#what} cannot be used: ${why}`);
  }
}
