/**
 * Owns how a configuration value given as text is read and judged, as Kafka's ConfigDef does: the
 * accepted text becomes a canonical text, anything else a sentence for the client.
 */

/** Codes of DescribeConfigs' config_type (org.apache.kafka.clients.admin.ConfigEntry.ConfigType). */
export const ConfigType = { BOOLEAN: 1, STRING: 2, INT: 3, LONG: 5, LIST: 7, PASSWORD: 9 } as const;
export type ConfigType = (typeof ConfigType)[keyof typeof ConfigType];

/** Codes of DescribeConfigs' config_source (DescribeConfigsResponse.ConfigSource). */
export const ConfigSource = {
  TOPIC: 1,
  DYNAMIC_BROKER: 2,
  DYNAMIC_DEFAULT_BROKER: 3,
  STATIC_BROKER: 4,
  DEFAULT: 5,
  CLIENT_METRICS: 7,
  GROUP: 8,
} as const;
export type ConfigSource = (typeof ConfigSource)[keyof typeof ConfigSource];

/** What stands for Java's Long.MAX_VALUE, "no limit", in texts. */
export const LONG_MAX_TEXT = '9223372036854775807';
const INT_MAX = 2_147_483_647n;
const LONG_MAX = BigInt(LONG_MAX_TEXT);

export type Judged = { readonly value: string } | { readonly problem: string };
export type Judge = (text: string) => Judged;

const INTEGER = /^[+-]?\d{1,20}$/;

function integer(least: bigint, most: bigint): Judge {
  return (text) => {
    const trimmed = text.trim();
    if (!INTEGER.test(trimmed)) return { problem: 'it must be a whole number' };
    const value = BigInt(trimmed.startsWith('+') ? trimmed.slice(1) : trimmed);
    if (value < least || value > most) return { problem: `it must be ${least} to ${most}` };
    return { value: value.toString() };
  };
}

/** An int32 of at least `least`. */
export const intAtLeast = (least: number): Judge => integer(BigInt(least), INT_MAX);

/** An int32 of `least` to `most`. */
export const intBetween = (least: number, most: number): Judge =>
  integer(BigInt(least), BigInt(most));

/** An int64 of at least `least`. */
export const longAtLeast = (least: number): Judge => integer(BigInt(least), LONG_MAX);

export const oneOf = (...values: readonly string[]): Judge => {
  return (text) => {
    const trimmed = text.trim();
    if (values.includes(trimmed)) return { value: trimmed };
    return { problem: `it must be one of ${values.join(', ')}` };
  };
};

/** A config that Kafka knows and of which this release honours one value only. */
export const onlyValue = (value: string, why: string): Judge => {
  return (text) => {
    // Kafka reads booleans without regard to case.
    if (text.trim().toLowerCase() === value) return { value };
    return { problem: `${why}: only ${value} is accepted` };
  };
};

/** The number that the engine computes with; beyond 2^53 - 1 it means "no limit" all the same. */
export function toNumber(text: string): number {
  return Math.min(Number(text), Number.MAX_SAFE_INTEGER);
}
