/** Writes keytabs, as ktadd does: the format that the broker reads. */
import type { KeytabEntry } from '../../../src/security/sasl/gssapi-keytab.ts';

const counted = (bytes: Buffer): Buffer => {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
};

const entryBytes = ({ names, realm, version, key }: KeytabEntry): Buffer => {
  const count = Buffer.alloc(2);
  count.writeUInt16BE(names.length);
  const typeTimeVersion = Buffer.alloc(9);
  typeTimeVersion.writeUInt32BE(1);
  typeTimeVersion[8] = version & 0xff;
  const type = Buffer.alloc(2);
  type.writeUInt16BE(key.type);
  const longVersion = Buffer.alloc(4);
  longVersion.writeUInt32BE(version);
  const texts = [realm, ...names].map((text) => counted(Buffer.from(text, 'latin1')));
  return Buffer.concat([count, ...texts, typeTimeVersion, type, counted(key.bytes), longVersion]);
};

/** `hole` bytes of a removed entry stand before the others. */
export const keytabBytes = (entries: readonly KeytabEntry[], hole = 0): Buffer => {
  const parts: Buffer[] = [Buffer.from([5, 2])];
  const add = (size: number, bytes: Buffer): void => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(size);
    parts.push(length, bytes);
  };
  if (hole > 0) add(-hole, Buffer.alloc(hole, 0xee));
  for (const entry of entries) {
    const bytes = entryBytes(entry);
    add(bytes.length, bytes);
  }
  return Buffer.concat(parts);
};
