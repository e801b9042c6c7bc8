/**
 * Owns how the texts of a device record are packed into one block. Texts that a client chose are cut
 * at their bounds; what is hexadecimal is kept as bytes.
 */
export interface DeviceTexts {
  readonly name: string;
  /** Empty: none. So with all that follow. */
  readonly fleet: string;
  readonly clientId: string;
  readonly softwareName: string;
  readonly softwareVersion: string;
  readonly failureDetail: string;
  /** Hexadecimal, upper case. */
  readonly serial: string;
  /** Hexadecimal, lower case. */
  readonly issuerKeyId: string;
}

type TextName = keyof DeviceTexts;

/** In the order in which they are packed; the bound is in bytes. */
const LAYOUT: readonly { name: TextName; encoding: 'utf8' | 'hex'; bytesMax: number }[] = [
  { name: 'name', encoding: 'utf8', bytesMax: 63 },
  { name: 'fleet', encoding: 'utf8', bytesMax: 63 },
  { name: 'clientId', encoding: 'utf8', bytesMax: 96 },
  { name: 'softwareName', encoding: 'utf8', bytesMax: 48 },
  { name: 'softwareVersion', encoding: 'utf8', bytesMax: 48 },
  { name: 'failureDetail', encoding: 'utf8', bytesMax: 160 },
  { name: 'serial', encoding: 'hex', bytesMax: 32 },
  { name: 'issuerKeyId', encoding: 'hex', bytesMax: 32 },
];

export const NO_TEXTS: DeviceTexts = {
  name: '',
  fleet: '',
  clientId: '',
  softwareName: '',
  softwareVersion: '',
  failureDetail: '',
  serial: '',
  issuerKeyId: '',
};

const scratch = Buffer.alloc(1024);

/** A view of a buffer that the next call overwrites. */
export function packTexts(texts: DeviceTexts): Buffer {
  let at = 0;
  for (const { name, encoding, bytesMax } of LAYOUT) {
    const text = texts[name];
    // A text is never written beyond its bound, and never ends within a character.
    const written = text === '' ? 0 : scratch.write(text, at + 1, bytesMax, encoding);
    scratch[at] = written;
    at += 1 + written;
  }
  return scratch.subarray(0, at);
}

/** Null when the bytes are no such block. */
export function unpackTexts(bytes: Buffer): DeviceTexts | null {
  const texts: Record<TextName, string> = { ...NO_TEXTS };
  let at = 0;
  for (const { name, encoding, bytesMax } of LAYOUT) {
    const length = bytes[at];
    if (length === undefined || length > bytesMax || at + 1 + length > bytes.length) return null;
    texts[name] = bytes.toString(encoding, at + 1, at + 1 + length);
    at += 1 + length;
  }
  return at === bytes.length ? { ...texts, serial: texts.serial.toUpperCase() } : null;
}

/** The name in a block; null when the bytes are no such block. */
export function nameIn(bytes: Buffer): string | null {
  let at = 0;
  for (const { bytesMax } of LAYOUT) {
    const length = bytes[at];
    if (length === undefined || length > bytesMax) return null;
    at += 1 + length;
  }
  return at === bytes.length ? bytes.toString('utf8', 1, 1 + bytes[0]!) : null;
}

/** Whether the packed name is the `length` bytes of `name`. */
export function isNamed(packed: Buffer, name: Buffer, length: number): boolean {
  return packed[0] === length && packed.compare(name, 0, length, 1, 1 + length) === 0;
}
