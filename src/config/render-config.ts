/**
 * Writes the configuration table as a YAML file for people: every key with its meaning, those that
 * keep their default commented out. What it writes, load-config.ts reads back to the same values.
 */
import { CONFIG_KEYS, CONFIG_SECTIONS, type ConfigKey } from './config-schema.ts';
import type { RawValue } from './config-spec.ts';

const LINE_LENGTH = 98;

/** `values` are the keys to set; paths are best relative to the file's folder. */
export function renderConfigFile(
  title: string,
  values: Partial<Record<ConfigKey, RawValue>>,
): string {
  const blocks = [wrap(title)];
  for (const [section, keys] of Object.entries(CONFIG_SECTIONS)) {
    blocks.push(`# ---- ${section} ${'-'.repeat(LINE_LENGTH - 8 - section.length)}`);
    for (const key of Object.keys(keys) as ConfigKey[]) {
      const { doc, default: initial, allowed } = CONFIG_KEYS[key];
      const value = values[key];
      const line = value === undefined ? `#${key}: ${scalar(initial)}` : `${key}: ${scalar(value)}`;
      blocks.push(`${wrap(`${doc} (${allowed})`)}\n${line}`);
    }
  }
  return `${blocks.join('\n\n')}\n`;
}

/** JSON texts are YAML scalars; numbers and booleans stand as they are. */
function scalar(value: RawValue): string {
  return typeof value === 'string' ? JSON.stringify(value) : value === null ? '' : String(value);
}

function wrap(text: string): string {
  const lines = ['#'];
  for (const word of text.split(' ')) {
    const last = lines[lines.length - 1]!;
    if (last.length + 1 + word.length > LINE_LENGTH) lines.push(`# ${word}`);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.join('\n');
}
