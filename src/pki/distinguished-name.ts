/**
 * Owns how a distinguished name is written in the form of RFC 2253, to the letter as Java's
 * X500Principal.getName() has it: rules for ssl.principal.mapping.rules are written against that.
 *
 * The last relative name comes first; of attribute types those of RFC 2253's table have a keyword,
 * all others their OID and the value's encoding in hexadecimal after "#". Invariant: no character of
 * a value can end it, for the separators are escaped (and "=" and "#", as Java does).
 */
import { PkiError } from '../base/errors.ts';
import { Tag } from './der.ts';
import { type DerNode, DerWalk, rawOf, SEQUENCE, SET } from './der-walk.ts';

const WHAT = 'a distinguished name';

const KEYWORDS: ReadonlyMap<string, string> = new Map([
  ['2.5.4.3', 'CN'],
  ['2.5.4.6', 'C'],
  ['2.5.4.7', 'L'],
  ['2.5.4.8', 'ST'],
  ['2.5.4.9', 'STREET'],
  ['2.5.4.10', 'O'],
  ['2.5.4.11', 'OU'],
  ['0.9.2342.19200300.100.1.1', 'UID'],
  ['0.9.2342.19200300.100.1.25', 'DC'],
]);

/** String types whose octets Java shows as UTF-8, whatever their own encoding is. */
const SHOWN_AS_TEXT: ReadonlySet<number> = new Set([
  Tag.UTF8_STRING,
  Tag.PRINTABLE_STRING,
  Tag.T61_STRING,
  Tag.IA5_STRING,
  Tag.GENERAL_STRING,
  Tag.BMP_STRING,
]);

const SPECIAL = /[,=+<>#;"\\]/g;

/** `name` is the Name inside `der`. Throws PkiError when it is not in order. */
export function rfc2253NameOf(der: Buffer, name: DerNode): string {
  const relativeNames: string[] = [];
  for (const names = new DerWalk(der, name, WHAT); !names.done; ) {
    const attributes: string[] = [];
    for (const set = new DerWalk(der, names.take(SET), WHAT); !set.done; ) {
      attributes.push(attributeText(der, set.take(SEQUENCE)));
    }
    if (attributes.length === 0) throw new PkiError(`${WHAT} has an empty part`);
    relativeNames.push(attributes.join('+'));
  }
  return relativeNames.reverse().join(',');
}

function attributeText(der: Buffer, attribute: DerNode): string {
  const walk = new DerWalk(der, attribute, WHAT);
  const oid = objectIdText(der, walk.take(Tag.OID));
  const value = walk.takeAny();
  walk.finish();
  const keyword = KEYWORDS.get(oid);
  if (keyword === undefined || !SHOWN_AS_TEXT.has(value.tag)) {
    return `${keyword ?? oid}=#${rawOf(der, value).toString('hex')}`;
  }
  return `${keyword}=${escaped(der.toString('utf8', value.content, value.end))}`;
}

function escaped(text: string): string {
  const inner = text.replace(SPECIAL, '\\$&').replaceAll('\0', '\\00');
  const lead = /^[ \r]*/.exec(inner)![0].length;
  const tail = inner.length === lead ? 0 : /[ \r]*$/.exec(inner)![0].length;
  const end = inner.length - tail;
  const each = (blank: string): string => blank.replace(/[ \r]/g, '\\$&');
  return each(inner.slice(0, lead)) + inner.slice(lead, end) + each(inner.slice(end));
}

/** Throws PkiError for an OID whose parts are cut short or beyond all reason. */
export function objectIdText(der: Buffer, { content, end }: DerNode): string {
  const parts: number[] = [];
  let value = 0;
  for (let at = content; at < end; at++) {
    const octet = der[at]!;
    value = value * 128 + (octet & 0x7f);
    if (!Number.isSafeInteger(value)) throw new PkiError(`${WHAT} has an OID beyond all reason`);
    if (octet < 0x80) {
      parts.push(value);
      value = 0;
    } else if (at === end - 1) {
      throw new PkiError(`${WHAT} has an OID that is cut short`);
    }
  }
  const [first, ...rest] = parts;
  if (first === undefined) throw new PkiError(`${WHAT} has an empty OID`);
  const top = Math.min(2, Math.floor(first / 40));
  return [top, first - 40 * top, ...rest].join('.');
}
