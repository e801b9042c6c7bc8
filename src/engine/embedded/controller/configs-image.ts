/**
 * Owns in memory what is set by name rather than by topic: what each namespace has set for its
 * brokers, which is what its topics inherit, and what is set for groups.
 *
 * Invariant: a namespace's defaults reach that namespace's topics alone. Of two levels the more
 * specific one wins: this broker's, all brokers' of the namespace, the operator's (static), Kafka's.
 */
import { ClientMetricsImage } from './client-metrics-image.ts';
import { ConfigSource } from './config-value.ts';
import type { GroupConfigTexts } from './group-config.ts';
import { TOPIC_CONFIGS, type TopicConfigName, type TopicConfigTexts } from './topic-config.ts';
import { namespaceOf } from './topic-names.ts';

/** The broker id that means every broker of the namespace. */
export const EVERY_BROKER = '';

export interface ConfigLayer {
  readonly source: ConfigSource;
  readonly texts: TopicConfigTexts;
}

/** What a topic without configs of its own has. */
export interface InheritedConfigs {
  /** The most specific first; Kafka's own defaults are no layer. */
  readonly layers: readonly ConfigLayer[];
  /** All layers in one. */
  readonly texts: TopicConfigTexts;
}

interface NamespaceConfigs {
  /** By broker id. */
  readonly brokers: Map<string, TopicConfigTexts>;
  readonly inherited: Map<string, InheritedConfigs>;
}

const NONE: Readonly<Record<string, never>> = {};

export class ConfigsImage {
  readonly clientMetrics = new ClientMetricsImage();
  readonly #operator: InheritedConfigs;
  readonly #namespaces = new Map<string, NamespaceConfigs>();
  /** By namespace, then by physical name. */
  readonly #groups = new Map<string, Map<string, GroupConfigTexts>>();

  /** `operatorTexts`: what the operator's configuration says of all topics. */
  constructor(operatorTexts: TopicConfigTexts) {
    const layer = { source: ConfigSource.STATIC_BROKER, texts: notDefault(operatorTexts) };
    this.#operator = inherit([layer]);
  }

  /** What the topics of a namespace inherit on a broker. */
  inheritedBy(namespace: string, brokerId: string): InheritedConfigs {
    const configs = this.#namespaces.get(namespace);
    if (configs === undefined) return this.#operator;
    let inherited = configs.inherited.get(brokerId);
    if (inherited === undefined) {
      inherited = this.#inherit(configs, brokerId);
      configs.inherited.set(brokerId, inherited);
    }
    return inherited;
  }

  /** What the namespace has set for one broker, or for every broker. */
  brokerTexts(namespace: string, brokerId: string): TopicConfigTexts {
    return this.#namespaces.get(namespace)?.brokers.get(brokerId) ?? NONE;
  }

  /** The broker ids for which the namespace has set something. */
  brokersIn(namespace: string): string[] {
    return [...(this.#namespaces.get(namespace)?.brokers.keys() ?? [])];
  }

  setBroker(namespace: string, brokerId: string, texts: TopicConfigTexts): void {
    let configs = this.#namespaces.get(namespace);
    if (configs === undefined) {
      configs = { brokers: new Map(), inherited: new Map() };
      this.#namespaces.set(namespace, configs);
    }
    if (isEmpty(texts)) configs.brokers.delete(brokerId);
    else configs.brokers.set(brokerId, texts);
    configs.inherited.clear();
    if (configs.brokers.size === 0) this.#namespaces.delete(namespace);
  }

  /** Everything that is set for brokers, for snapshots. */
  *allBrokers(): Generator<{ namespace: string; brokerId: string; configs: TopicConfigTexts }> {
    for (const [namespace, { brokers }] of this.#namespaces) {
      for (const [brokerId, configs] of brokers) yield { namespace, brokerId, configs };
    }
  }

  groupTexts(group: string): GroupConfigTexts {
    return this.#groups.get(namespaceOf(group))?.get(group) ?? NONE;
  }

  setGroup(group: string, texts: GroupConfigTexts): void {
    const namespace = namespaceOf(group);
    const groups = this.#groups.get(namespace) ?? new Map<string, GroupConfigTexts>();
    if (isEmpty(texts)) groups.delete(group);
    else groups.set(group, texts);
    if (groups.size === 0) this.#groups.delete(namespace);
    else this.#groups.set(namespace, groups);
  }

  /** The groups of the namespace that have configs, sorted. */
  groupsIn(namespace: string): string[] {
    return [...(this.#groups.get(namespace)?.keys() ?? [])].sort();
  }

  groupCountIn(namespace: string): number {
    return this.#groups.get(namespace)?.size ?? 0;
  }

  /** Everything that is set for groups, for snapshots. */
  *allGroups(): Generator<[string, GroupConfigTexts]> {
    for (const groups of this.#groups.values()) yield* groups;
  }

  #inherit({ brokers }: NamespaceConfigs, brokerId: string): InheritedConfigs {
    const own = { source: ConfigSource.DYNAMIC_BROKER, texts: brokers.get(brokerId) ?? NONE };
    const shared = {
      source: ConfigSource.DYNAMIC_DEFAULT_BROKER,
      texts: brokers.get(EVERY_BROKER) ?? NONE,
    };
    return inherit([own, shared, ...this.#operator.layers]);
  }
}

function inherit(layers: readonly ConfigLayer[]): InheritedConfigs {
  const used = layers.filter(({ texts }) => !isEmpty(texts));
  const texts = Object.assign({}, ...used.map((layer) => layer.texts).reverse());
  return { layers: used, texts };
}

export function isEmpty(texts: object): boolean {
  return Object.keys(texts).length === 0;
}

/** What the operator's configuration repeats of Kafka's defaults is not set by anybody. */
function notDefault(texts: TopicConfigTexts): TopicConfigTexts {
  const entries = Object.entries(texts) as [TopicConfigName, string][];
  return Object.fromEntries(
    entries.filter(([name, value]) => TOPIC_CONFIGS[name].default !== value),
  );
}
