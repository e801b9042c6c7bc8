/** Names as an attacker or an odd CA may write them, in DER, and rules with names for them. */
import {
  type Asn1,
  fromDer,
  objectId,
  octetString,
  sequence,
  setOf,
  Tag,
  toDer,
  utf8String,
} from '../../../src/pki/der.ts';
import { wholeOf } from '../../../src/pki/der-walk.ts';
import { rfc2253NameOf } from '../../../src/pki/distinguished-name.ts';

export const CN = '2.5.4.3';
export const O = '2.5.4.10';

/** One relative name from pairs of OID and value. */
export const relative = (...pairs: readonly (readonly [string, Asn1 | string])[]): Asn1 =>
  setOf(
    ...pairs.map(([oid, value]) =>
      sequence(objectId(oid), typeof value === 'string' ? utf8String(value) : value),
    ),
  );

/** A string of another type, from its octets. */
export const typed = (tag: number, octets: Buffer): Asn1 =>
  fromDer(Buffer.concat([Buffer.from([tag, octets.length]), octets]));

export const nameOf = (...parts: readonly Asn1[]): Buffer => toDer(sequence(...parts));

export function rendered(name: Buffer): string {
  const whole = wholeOf(name);
  // The walk goes over what is inside of the Name.
  const content = name[1]! < 0x80 ? 2 : 2 + (name[1]! & 0x7f);
  return rfc2253NameOf(name, { ...whole, content });
}

const cn = (text: string): Asn1 => relative([CN, text]);

/** Each with what Java 17 prints; the full suite asks Java itself. */
export const ODD_NAMES: readonly (readonly [Buffer, string])[] = [
  [nameOf(relative([O, 'Acme']), cn('pump-1')), 'CN=pump-1,O=Acme'],
  [nameOf(cn('a,OU=b')), String.raw`CN=a\,OU\=b`],
  [nameOf(cn('"q" \\ <x>;+')), String.raw`CN=\"q\" \\ \<x\>\;\+`],
  [nameOf(cn('#lead and # inside')), String.raw`CN=\#lead and \# inside`],
  [nameOf(cn('  two  inside  ')), String.raw`CN=\ \ two  inside\ \ `],
  [nameOf(cn(' ')), String.raw`CN=\ `],
  [nameOf(cn('')), 'CN='],
  [nameOf(cn('Zürich 漢字 😀')), 'CN=Zürich 漢字 😀'],
  [nameOf(cn('a\0b')), String.raw`CN=a\00b`],
  [nameOf(relative(['1.2.840.113549.1.9.1', 'a@b'])), '1.2.840.113549.1.9.1=#0c03614062'],
  [nameOf(relative(['2.5.4.5', 'SN1'])), '2.5.4.5=#0c03534e31'],
  [nameOf(relative(['1.3.6.1.4.1.99999.1', 'x'])), '1.3.6.1.4.1.99999.1=#0c0178'],
  [nameOf(relative([CN, 'a'], [O, 'b'])), 'CN=a+O=b'],
  [nameOf(relative([O, 'b'], ['0.9.2342.19200300.100.1.1', 'u1'])), 'O=b+UID=u1'],
  [
    nameOf(
      relative(['0.9.2342.19200300.100.1.25', typed(Tag.IA5_STRING, Buffer.from('example'))]),
      relative(['2.5.4.6', typed(Tag.PRINTABLE_STRING, Buffer.from('CH'))]),
      relative(['2.5.4.7', 'Bern'], ['2.5.4.8', 'BE'], ['2.5.4.9', 'Gasse 1']),
      relative(['2.5.4.11', 'a=b']),
    ),
    String.raw`OU=a\=b,ST=BE+L=Bern+STREET=Gasse 1,C=CH,DC=example`,
  ],
  [nameOf(relative([CN, octetString(Buffer.from('x'))])), 'CN=#040178'],
  [nameOf(relative([CN, typed(Tag.T61_STRING, Buffer.from('t61'))])), 'CN=t61'],
  [
    nameOf(relative([CN, typed(Tag.BMP_STRING, Buffer.from('\0a\0b', 'latin1'))])),
    String.raw`CN=\00a\00b`,
  ],
  [nameOf(cn('\u00a0x\u00a0')), 'CN=\u00a0x\u00a0'],
  [nameOf(cn('CN=root,O=ops')), String.raw`CN=CN\=root\,O\=ops`],
];

const TEXTUAL = 'CN=pump-17,OU=Pumps,O=Acme\\, Inc.,C=CH';

/** Rules, a name, and what Kafka makes of it: null when none applies. */
export const MAPPINGS: readonly (readonly [string, string, string | null])[] = [
  ['RULE:^CN=(.*?),OU=(.*?),.*$/$1/', TEXTUAL, 'pump-17'],
  ['RULE:^CN=(.*?),OU=Others.*$/$1/', TEXTUAL, null],
  ['RULE:^CN=(.*?),.*$/$1/U', TEXTUAL, 'PUMP-17'],
  [
    'RULE:^CN=(.*?), *ou=(.*?),.*$/$1/L,RULE:^CN=(.*?),OU=(.*?),.*$/$1-$2/L',
    TEXTUAL,
    'pump-17-pumps',
  ],
  ['RULE:^.*,C=(..)$/x-$1/L , DEFAULT', TEXTUAL, 'x-ch'],
  ['RULE:^CN=none$/a/,DEFAULT', TEXTUAL, TEXTUAL],
  ['RULE:CN=(.*?),.*/$1@$4/', TEXTUAL, 'pump-17@$4'],
  ['RULE:CN=(.*?),.*/$12/', TEXTUAL, 'pump-172'],
  ['RULE:CN=(.*?),.*/$0!/', 'CN=a,b', 'CN=a,b!'],
  ['RULE:.*/x/', TEXTUAL, 'xx'],
  ['RULE:(?:[A-Z]+=)([a-z0-9-]*).*/$1/', 'CN=pump', 'pump'],
  ['RULE:CN=(.*?)/<$1>/', 'CN=ab', '<>ab'],
  [String.raw`RULE:CN=a\/b,(.*)/\$\1$1/`, 'CN=a/b,O=x', '$1O=x'],
  [String.raw`RULE:CN=([^,\\]+)\\,x/$1/`, String.raw`CN=a\,x`, 'a'],
  ['RULE:CN=(a|ab)(c|bcd)(d*)/$1.$2.$3/', 'CN=abcd', 'a.bcd.'],
  ['RULE:(?:(a)|b)*CN=x/[$1]/', 'abCN=x', '[a]'],
  ['RULE:CN=(x{2,3})(x*)/$1.$2/', 'CN=xxxxx', 'xxx.xx'],
  ['RULE:CN=(x{2,3}?)(x*)/$1.$2/', 'CN=xxxxx', 'xx.xxx'],
  [String.raw`RULE:CN=(\w+)[-_](\d+).*/$2$1/`, TEXTUAL, '17pump'],
  [String.raw`RULE:CN=([\w-]+),\S+=.*/$1/`, 'CN=a-b,O=x', 'a-b'],
  ['RULE:CN=(.+)?,O=x/[$1]/', 'CN=,O=x', '[]'],
];
