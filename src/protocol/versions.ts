/** Owns version ranges as the tables write them: "3", "0-12", "9+". */

/** Every version number that a table may name, in order. */
type AllVersions = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20];

type RangesFrom<V extends readonly number[]> = V extends [
  infer First extends number,
  ...infer Later extends number[],
]
  ? `${First}` | `${First}+` | `${First}-${Later[number]}` | RangesFrom<Later>
  : never;

/** A range of versions; one that runs backwards ("5-3") does not compile. */
export type Versions = RangesFrom<AllVersions>;

export interface VersionRange {
  readonly min: number;
  /** Inclusive; Infinity for an open range. */
  readonly max: number;
}

/** The range that no version lies in. */
export const NO_VERSIONS: VersionRange = { min: Number.POSITIVE_INFINITY, max: -1 };

export function parseVersions(text: Versions): VersionRange {
  if (text.endsWith('+')) return { min: Number(text.slice(0, -1)), max: Number.POSITIVE_INFINITY };
  const [min, max = min] = text.split('-');
  return { min: Number(min), max: Number(max) };
}

export function inVersions(range: VersionRange, version: number): boolean {
  return version >= range.min && version <= range.max;
}
