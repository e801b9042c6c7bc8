/**
 * Reads the file that says which tenants' decisions are asked for outside, whom, and how.
 *
 * Invariants: a file is taken whole or not at all, and every problem names its line; an unknown key
 * is a problem; a file without its last line `# end` is not complete. What the file does not say of
 * a tenant is `local`.
 */
import { isMap, isScalar, LineCounter, parseDocument, type YAMLMap } from 'yaml';
import type { CacheSettings } from './decision-cache.ts';
import type { LaneSettings } from './pdp-lane.ts';

/**
 * - `local`: the policy decides.
 * - `external`: the PDP decides; when it cannot be asked, nothing is allowed.
 * - `local-and-external`: both must allow; what the policy denies is not asked.
 * - `external-with-local-fallback`: the PDP decides; the policy where it cannot be asked.
 * - `shadow`: the policy decides; the PDP is asked as well, and differences are told.
 */
export const AUTHORIZER_MODES = [
  'local',
  'external',
  'local-and-external',
  'external-with-local-fallback',
  'shadow',
] as const;

export type AuthorizerMode = (typeof AUTHORIZER_MODES)[number];

export interface PdpSettings {
  readonly name: string;
  readonly protocol: 'authzen' | 'opa';
  readonly url: URL;
  /** AuthZEN: before its own path. OPA: the path of the decision. */
  readonly path: string;
  /** Files, as written; null where none is named. */
  readonly tls: {
    readonly ca: string | null;
    readonly certificate: string | null;
    readonly key: string | null;
  };
  readonly batchMax: number;
  readonly lane: LaneSettings;
  readonly cache: CacheSettings;
}

export interface TenantChoice {
  readonly mode: AuthorizerMode;
  /** Null only where the mode is local. */
  readonly pdp: PdpSettings | null;
}

export interface ExternalSettings {
  /** For a tenant that is not named. */
  readonly fallback: TenantChoice;
  readonly tenants: ReadonlyMap<string, TenantChoice>;
}

export const LOCAL: TenantChoice = { mode: 'local', pdp: null };
export const ALL_LOCAL: ExternalSettings = { fallback: LOCAL, tenants: new Map() };

export class ExternalSettingsError extends Error {
  override readonly name = 'ExternalSettingsError';
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

const FILE_CHARACTERS_MAX = 4 * 1024 * 1024;
const END_LINE = '# end';
const TENANT_NAME = /^[a-z0-9-]{1,63}$/;
const PDP_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/;
const SECOND_MS = 1000;
const HOUR_MS = 3_600_000;

/** Throws ExternalSettingsError for the first problem. */
export function parseExternalSettings(text: string): ExternalSettings {
  if (text.length > FILE_CHARACTERS_MAX) throw new ExternalSettingsError(1, 'larger than 4 MiB');
  const lines = text.trimEnd().split('\n');
  if (lines.at(-1)!.trimEnd() !== END_LINE) {
    const message = `the last line must be "${END_LINE}": without it the file is not complete`;
    throw new ExternalSettingsError(lines.length, message);
  }
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false, strict: true });
  const lineAt: LineAt = (offset) => counter.linePos(offset ?? 0).line;
  const [broken] = [...document.errors, ...document.warnings];
  if (broken !== undefined) {
    throw new ExternalSettingsError(lineAt(broken.pos[0]), `not valid YAML: ${broken.message}`);
  }
  if (!isMap(document.contents))
    throw new ExternalSettingsError(1, 'it must hold "pdps" and "tenants"');
  const top = new Section(document.contents, '', lineAt);
  const pdps = new Map<string, PdpSettings>();
  for (const [name, section] of top.section('pdps')?.sections(PDP_NAME) ?? []) {
    pdps.set(name, pdpOf(name, section));
  }
  const tenants = new Map<string, TenantChoice>();
  for (const [name, section] of top.section('tenants')?.sections(TENANT_NAME) ?? []) {
    tenants.set(name, choiceOf(section, pdps));
  }
  const fallback = top.section('default');
  const settings = { fallback: fallback === null ? LOCAL : choiceOf(fallback, pdps), tenants };
  top.finish();
  return settings;
}

function choiceOf(section: Section, pdps: ReadonlyMap<string, PdpSettings>): TenantChoice {
  const mode = section.oneOf('mode', AUTHORIZER_MODES);
  const name = section.text('pdp');
  const pdp = name === null ? null : pdps.get(name);
  if (pdp === undefined) section.refuse('pdp', `no such PDP under "pdps": ${name}`);
  if (mode !== 'local' && pdp === null) section.refuse('mode', `mode ${mode} needs "pdp"`);
  section.finish();
  return mode === 'local' ? LOCAL : { mode, pdp: pdp! };
}

function pdpOf(name: string, section: Section): PdpSettings {
  const protocol = section.oneOf('protocol', ['authzen', 'opa'] as const);
  const url = urlOf(section);
  const path = section.text('path') ?? (protocol === 'opa' ? null : '');
  if (path === null) section.refuse('path', 'an OPA needs "path", e.g. /v1/data/kafka/authz/allow');
  if (!/^(?:\/[A-Za-z0-9._~%-]+)*$/.test(path!)) section.refuse('path', 'not a plain path');
  const tls = tlsOf(section, url);
  const circuit = section.section('circuit');
  const batch = section.section('batch');
  if (batch !== null && protocol === 'opa') section.refuse('batch', "OPA's data API has no batch");
  const cache = section.section('cache');
  const settings: PdpSettings = {
    name,
    protocol,
    url,
    path: path!,
    tls,
    batchMax: batch?.integer('max', 50, 1, 1000) ?? 50,
    lane: {
      timeoutMs: section.integer('timeout.ms', 200, 10, 30 * SECOND_MS),
      batchWaitMs: batch?.integer('wait.ms', 1, 0, 100) ?? 1,
      concurrency: section.integer('concurrency', 8, 1, 256),
      queueMax: section.integer('queue.max', 1000, 1, 100_000),
      circuit: {
        failures: circuit?.integer('failures', 5, 1, 1000) ?? 5,
        openMs: circuit?.integer('open.ms', 2000, 100, HOUR_MS) ?? 2000,
      },
    },
    cache: {
      allowTtlMs: cache?.integer('allow.ttl.ms', 5000, 0, HOUR_MS) ?? 5000,
      denyTtlMs: cache?.integer('deny.ttl.ms', 1000, 0, HOUR_MS) ?? 1000,
      entriesMax: cache?.integer('max', 10_000, 0, 1_000_000) ?? 10_000,
    },
  };
  for (const part of [circuit, batch, cache, section]) part?.finish();
  return settings;
}

function urlOf(section: Section): URL {
  const text = section.text('url');
  if (text === null || !URL.canParse(text)) return section.refuse('url', 'must be a URL');
  const url = new URL(text);
  const isPlain = url.pathname === '/' && url.search === '' && url.hash === '';
  if (!isPlain || url.username !== '' || url.password !== '') {
    section.refuse('url', 'only scheme, host and port; the rest is "path"');
  }
  const isLoopback = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname);
  if (url.protocol === 'http:' ? !isLoopback : url.protocol !== 'https:') {
    section.refuse('url', 'must be https; http only to this machine (localhost, 127.0.0.1, [::1])');
  }
  return url;
}

function tlsOf(section: Section, url: URL): PdpSettings['tls'] {
  const tls = section.section('tls');
  if (tls !== null && url.protocol === 'http:') section.refuse('tls', 'http has no TLS');
  const ca = tls?.text('ca') ?? null;
  const certificate = tls?.text('certificate') ?? null;
  const key = tls?.text('key') ?? null;
  if ((certificate === null) !== (key === null)) {
    section.refuse('tls', '"certificate" and "key" belong together');
  }
  tls?.finish();
  return { ca, certificate, key };
}

type LineAt = (offset: number | undefined) => number;

/** One map of the file: what is read from it is known, the rest is a problem. */
class Section {
  readonly #map: YAMLMap;
  readonly #path: string;
  readonly #lineAt: LineAt;
  readonly #read = new Set<string>();

  constructor(map: YAMLMap, path: string, lineAt: LineAt) {
    this.#map = map;
    this.#path = path;
    this.#lineAt = lineAt;
  }

  text(key: string): string | null {
    const value = this.#scalar(key);
    if (value === undefined || value === null) return null;
    return typeof value === 'string' ? value : this.refuse(key, 'must be text');
  }

  oneOf<T extends string>(key: string, values: readonly T[]): T {
    const text = this.text(key);
    const value = values.find((one) => one === text);
    return value ?? this.refuse(key, `must be one of ${values.join(', ')}`);
  }

  integer(key: string, usual: number, min: number, max: number): number {
    const value = this.#scalar(key);
    if (value === undefined || value === null) return usual;
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) {
      return value;
    }
    return this.refuse(key, `must be a whole number from ${min} to ${max}`);
  }

  section(key: string): Section | null {
    this.#read.add(key);
    const node = this.#map.get(key, true) as unknown;
    if (node === undefined || (isScalar(node) && node.value === null)) return null;
    if (!isMap(node)) return this.refuse(key, 'must hold "key: value" lines');
    return new Section(node, this.#name(key), this.#lineAt);
  }

  *sections(names: RegExp): Generator<[string, Section]> {
    for (const { key } of this.#map.items) {
      const name = isScalar(key) ? String(key.value) : '';
      if (!names.test(name)) this.refuse(name, 'is not a name');
      const section = this.section(name);
      yield [name, section ?? this.refuse(name, 'must hold "key: value" lines')];
    }
  }

  /** Refuses what nobody asked for. */
  finish(): void {
    for (const { key } of this.#map.items) {
      const name = isScalar(key) ? String(key.value) : '';
      if (!this.#read.has(name)) this.refuse(name, 'no such key');
    }
  }

  refuse(key: string, message: string): never {
    const item = this.#map.items.find((one) => isScalar(one.key) && String(one.key.value) === key);
    const at = isScalar(item?.key) ? item.key.range?.[0] : this.#map.range?.[0];
    const path = this.#name(key);
    throw new ExternalSettingsError(this.#lineAt(at), `${path}: ${message}`);
  }

  #scalar(key: string): unknown {
    this.#read.add(key);
    const node = this.#map.get(key, true) as unknown;
    if (node === undefined) return undefined;
    return isScalar(node) ? node.value : this.refuse(key, 'must be one value');
  }

  #name(key: string): string {
    return this.#path === '' ? key : `${this.#path}.${key}`;
  }
}
