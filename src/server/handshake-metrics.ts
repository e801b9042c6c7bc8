/** Owns the figures of TLS handshakes, for each listener. */
import type { Counter, Family, Histogram, MetricRegistry } from '../base/metrics.ts';
import type { HandshakeMeter } from '../network/handshake-admission.ts';

export class HandshakeFamilies {
  readonly #seconds: Family<Histogram>;
  readonly #waitSeconds: Family<Histogram>;
  readonly #done: Family<Counter>;
  readonly #failed: Family<Counter>;

  constructor(registry: MetricRegistry) {
    const name = (rest: string): string => `breakwater_tls_handshake${rest}`;
    this.#done = registry.counter(
      name('s_total'),
      'Handshakes that came to their end; kind "resumed": without a new key exchange.',
      ['listener', 'kind'],
    );
    this.#failed = registry.counter(
      name('_failures_total'),
      'Handshakes that failed or were not begun in time.',
      ['listener', 'reason'],
    );
    this.#seconds = registry.histogram(
      name('_seconds'),
      'From the turn of a handshake to its good end; the network is in it.',
      ['listener'],
    );
    this.#waitSeconds = registry.histogram(
      name('_wait_seconds'),
      'From accepting a connection to the turn of its handshake.',
      ['listener'],
    );
  }

  of(listener: string): HandshakeMeter {
    const full = this.#done.of(listener, 'full');
    const resumed = this.#done.of(listener, 'resumed');
    const seconds = this.#seconds.of(listener);
    const waitSeconds = this.#waitSeconds.of(listener);
    return {
      begun: (waitedMs) => waitSeconds.observe(waitedMs / 1000),
      succeeded: (tookMs, isResumed) => {
        (isResumed ? resumed : full).inc();
        seconds.observe(tookMs / 1000);
      },
      failed: (reason) => this.#failed.of(listener, reason).inc(),
    };
  }
}
