/**
 * The figures of a running broker: makes the registry, gives each part what it counts with, and
 * reads at a scrape what the parts know anyway.
 *
 * Invariants: labels come from configuration, tables of ours and the names of tenants that exist
 * (at most metrics.tenants.max, the others share `_other`); reading is cut up, so that a scrape never
 * holds up requests.
 */
import type { AuditLog } from '../audit/audit-log.ts';
import type { FileAuditLog } from '../audit/file-audit-log.ts';
import { MeasuredAuditLog } from '../audit/measured-audit-log.ts';
import type { Clock } from '../base/clock.ts';
import type { FileSystem } from '../base/file-system.ts';
import type { Logger } from '../base/logger.ts';
import { measuredFileSystem } from '../base/measured-file-system.ts';
import { type Family, type Histogram, MetricRegistry } from '../base/metrics.ts';
import { ProcessFigures } from '../base/process-figures.ts';
import type { Config } from '../config/config-schema.ts';
import { packageVersion } from '../config/package-root.ts';
import type { LaneParts } from '../security/external/pdp-lane.ts';
import { PdpError } from '../security/external/pdp-protocol.ts';
import { RequestLog } from '../server/request-log.ts';
import { ServerMetrics } from '../server/server-metrics.ts';
import { type ObservedParts, registerObserved } from './observed-metrics.ts';

export class BrokerMetrics {
  readonly registry = new MetricRegistry();
  readonly process: ProcessFigures;
  readonly server: ServerMetrics;
  readonly #clock: Clock;
  readonly #syncSeconds: Family<Histogram>;
  readonly #pdpSeconds: Family<Histogram>;

  constructor(
    config: Pick<Config, 'metrics.tenants.max' | 'slow.request.log.ms'>,
    clock: Clock,
    logger: Logger,
  ) {
    const { registry } = this;
    this.#clock = clock;
    registry
      .gauge('breakwater_build_info', 'Always 1; the labels say what runs.', [
        'version',
        'node_version',
      ])
      .of(packageVersion(), process.version)
      .set(1);
    this.process = new ProcessFigures(registry, clock);
    const log = new RequestLog(logger, clock, config['slow.request.log.ms']);
    this.server = new ServerMetrics(registry, clock, config['metrics.tenants.max'], log);
    this.#syncSeconds = registry.histogram(
      'breakwater_disk_sync_seconds',
      'How long the disk took to make written data durable; area: log or audit.',
      ['area'],
    );
    this.#pdpSeconds = registry.histogram(
      'breakwater_external_authorizer_seconds',
      'Messages to policy decision points, with all their retries.',
      ['outcome'],
    );
  }

  fileSystem(files: FileSystem, area: 'log' | 'audit'): FileSystem {
    return measuredFileSystem(files, this.#syncSeconds.of(area));
  }

  auditLog(log: FileAuditLog): AuditLog {
    return new MeasuredAuditLog(log, this.registry, this.#clock);
  }

  pdp(http: LaneParts['http']): LaneParts['http'] {
    const answered = this.#pdpSeconds.of('answered');
    const { monotonicMs } = this.#clock;
    return {
      close: () => http.close(),
      call: async (...request) => {
        const beganMs = monotonicMs();
        try {
          const answer = await http.call(...request);
          answered.observe((monotonicMs() - beganMs) / 1000);
          return answer;
        } catch (error) {
          const outcome = error instanceof PdpError ? error.failure : 'failed';
          this.#pdpSeconds.of(outcome).observe((monotonicMs() - beganMs) / 1000);
          throw error;
        }
      },
    };
  }

  /** The parts that are asked at a scrape; to be called once, when they are there. */
  observe(parts: ObservedParts): void {
    registerObserved(this.registry, this.server.tenants, parts);
  }

  close(): void {
    this.process.close();
  }
}
