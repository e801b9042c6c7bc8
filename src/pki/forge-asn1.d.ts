/**
 * Types for the one module of node-forge that is loaded: its ASN.1 encoder. Loading the whole of
 * node-forge costs six times as long and brings ciphers and parsers that nothing here may use.
 */
declare module 'node-forge/lib/asn1.js' {
  /** `value` holds binary text (one character a byte) or the children. */
  export interface Asn1 {
    readonly tagClass: number;
    readonly type: number;
    readonly constructed: boolean;
    readonly value: string | Asn1[];
  }

  interface ByteText {
    getBytes(): string;
  }

  interface Asn1Codec {
    readonly Class: { readonly UNIVERSAL: number; readonly CONTEXT_SPECIFIC: number };
    readonly Type: Readonly<Record<string, number>>;
    create(tagClass: number, type: number, constructed: boolean, value: string | Asn1[]): Asn1;
    toDer(node: Asn1): ByteText;
    fromDer(
      bytes: string,
      options: {
        strict: boolean;
        parseAllBytes: boolean;
        decodeBitStrings: boolean;
        maxDepth: number;
      },
    ): Asn1;
    oidToDer(dotted: string): ByteText;
    derToOid(bytes: string): string;
    dateToUtcTime(at: Date): string;
    dateToGeneralizedTime(at: Date): string;
  }

  const asn1: Asn1Codec;
  export default asn1;
}
