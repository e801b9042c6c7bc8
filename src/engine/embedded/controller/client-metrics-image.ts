/**
 * Owns in memory the subscriptions to client metrics, by namespace. Names are physical.
 *
 * Invariant: what a namespace is given is replaced as a whole with each change, so that who holds it
 * sees that it has changed.
 */
import type { ClientMetricsSubscription } from '../../engine.ts';
import { CLIENT_METRICS_CONFIGS, type ClientMetricsTexts } from './client-metrics-config.ts';
import { namespaceOf } from './topic-names.ts';

const NONE: ClientMetricsTexts = {};
const NO_SUBSCRIPTIONS: readonly ClientMetricsSubscription[] = [];

export class ClientMetricsImage {
  readonly #texts = new Map<string, Map<string, ClientMetricsTexts>>();
  readonly #subscriptions = new Map<string, readonly ClientMetricsSubscription[]>();

  textsOf(name: string): ClientMetricsTexts {
    return this.#texts.get(namespaceOf(name))?.get(name) ?? NONE;
  }

  set(name: string, texts: ClientMetricsTexts): void {
    const namespace = namespaceOf(name);
    const known = this.#texts.get(namespace) ?? new Map<string, ClientMetricsTexts>();
    if (Object.keys(texts).length === 0) known.delete(name);
    else known.set(name, texts);
    this.#subscriptions.delete(namespace);
    if (known.size === 0) this.#texts.delete(namespace);
    else this.#texts.set(namespace, known);
  }

  /** The names in the namespace, sorted. */
  namesIn(namespace: string): string[] {
    return [...(this.#texts.get(namespace)?.keys() ?? [])].sort();
  }

  countIn(namespace: string): number {
    return this.#texts.get(namespace)?.size ?? 0;
  }

  /** The same object until one of them changes. */
  subscriptionsIn(namespace: string): readonly ClientMetricsSubscription[] {
    const known = this.#texts.get(namespace);
    if (known === undefined) return NO_SUBSCRIPTIONS;
    let subscriptions = this.#subscriptions.get(namespace);
    if (subscriptions === undefined) {
      subscriptions = [...known.values()].map(subscriptionOf);
      this.#subscriptions.set(namespace, subscriptions);
    }
    return subscriptions;
  }

  /** Everything, for snapshots. */
  *all(): Generator<[string, ClientMetricsTexts]> {
    for (const subscriptions of this.#texts.values()) yield* subscriptions;
  }
}

function subscriptionOf(texts: ClientMetricsTexts): ClientMetricsSubscription {
  const text = (name: keyof typeof CLIENT_METRICS_CONFIGS): string =>
    texts[name] ?? CLIENT_METRICS_CONFIGS[name].default;
  const list = (name: 'metrics' | 'match'): readonly string[] =>
    text(name) === '' ? [] : text(name).split(',');
  const match = list('match').map((item) => {
    const equals = item.indexOf('=');
    return { attribute: item.slice(0, equals).trim(), pattern: item.slice(equals + 1).trim() };
  });
  return { metrics: list('metrics'), intervalMs: Number(text('interval.ms')), match };
}
