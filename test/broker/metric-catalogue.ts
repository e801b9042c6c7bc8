/** What /metrics can show, as the registry of a broker knows it, without a broker that runs. */
import type { FileAuditLog } from '../../src/audit/file-audit-log.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/logger.ts';
import type { MetricDescription } from '../../src/base/metrics.ts';
import { BrokerMetrics } from '../../src/broker/metrics.ts';
import type { ObservedParts } from '../../src/broker/observed-metrics.ts';

/** By name. */
export function metricCatalogue(): ReadonlyMap<string, MetricDescription> {
  const metrics = new BrokerMetrics(
    { 'metrics.tenants.max': 10, 'slow.request.log.ms': 0 },
    systemClock,
    silentLogger,
  );
  // Nothing is scraped: the parts are only registered.
  metrics.auditLog({} as FileAuditLog);
  metrics.observe({ state: { onChange: () => () => {} } } as unknown as ObservedParts);
  metrics.close();
  return new Map(metrics.registry.descriptions.map((one) => [one.name, one]));
}

/** The metric behind the name of a series; `x_bucket` is of the histogram `x`. */
export function metricOf(
  catalogue: ReadonlyMap<string, MetricDescription>,
  series: string,
): MetricDescription | undefined {
  const known = catalogue.get(series);
  if (known !== undefined) return known;
  const histogram = catalogue.get(series.replace(/_(bucket|sum|count)$/, ''));
  return histogram?.type === 'histogram' ? histogram : undefined;
}

/** Labels that Prometheus itself adds. */
const OF_PROMETHEUS = ['job', 'instance'];
const WORDS = new Set(['by', 'without', 'and', 'or', 'unless', 'on', 'ignoring', 'bool', 'offset']);
const GROUPING = /\b(?:by|without)\s*\(([^)]*)\)/g;
const SERIES = /\b([a-zA-Z_:][\w:]*)\b(?:\{([^}]*)\})?(?!\s*\()/g;

/** What is wrong with a PromQL expression of ours: names that are not there, labels that are not. */
export function expressionProblems(
  catalogue: ReadonlyMap<string, MetricDescription>,
  expression: string,
): string[] {
  const problems: string[] = [];
  const labels = new Set<string>(OF_PROMETHEUS);
  const grouped = [...expression.matchAll(GROUPING)].flatMap(([, list]) => list!.split(','));
  // Durations, strings outside of selectors and the groupings are no names.
  const plain = expression.replace(GROUPING, ' ').replace(/\[[^\]]*\]/g, ' ');
  let found = 0;
  for (const [, name, selector] of plain.matchAll(SERIES)) {
    if (WORDS.has(name!) || /^\d/.test(name!)) continue;
    const metric = metricOf(catalogue, name!);
    if (metric === undefined) {
      if (name === 'up') found += 1;
      else if (!/^(e|Inf|NaN)$/.test(name!)) problems.push(`${name} is no metric`);
      continue;
    }
    found += 1;
    const own = [...OF_PROMETHEUS, ...metric.labels, ...(name!.endsWith('_bucket') ? ['le'] : [])];
    for (const label of own) labels.add(label);
    for (const [, label] of (selector ?? '').matchAll(/([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)/g)) {
      if (!own.includes(label!)) problems.push(`${name} has no label ${label}`);
    }
  }
  if (found === 0) problems.push('it names no metric');
  for (const label of grouped.map((one) => one.trim())) {
    if (label !== '' && !labels.has(label)) problems.push(`nothing has the label ${label}`);
  }
  return problems;
}
