/** docs/metrics.md, the dashboard and the alerts name metrics and labels that there are. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { projectRoot } from '../tools/project-root.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { expressionProblems, metricCatalogue } from './metric-catalogue.ts';

const BEGIN = '<!-- metrics: begin -->\n';
const END = '<!-- metrics: end -->';
const DOCUMENT = join(projectRoot, 'docs', 'metrics.md');
const ALERTS = join(projectRoot, 'dashboards', 'alerts.yml');
const catalogue = metricCatalogue();

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly type: string;
  readonly targets?: readonly { readonly expr: string; readonly refId: string }[];
  readonly gridPos: {
    readonly x: number;
    readonly y: number;
    readonly w: number;
    readonly h: number;
  };
}

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: { readonly summary: string; readonly description: string };
}

const dashboard = JSON.parse(
  readFileSync(join(projectRoot, 'dashboards', 'grafana.json'), 'utf8'),
) as {
  readonly uid: string;
  readonly schemaVersion: number;
  readonly panels: readonly Panel[];
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly query: unknown }[];
  };
};
const expressions = dashboard.panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr }) => ({ title, expr })),
);
const rules = (
  parse(readFileSync(ALERTS, 'utf8')) as { groups: { name: string; rules: Rule[] }[] }
).groups.flatMap(({ rules: all }) => all);

/** As Grafana fills the variables in. */
const filledIn = (expr: string): string =>
  expr.replaceAll('$__rate_interval', '5m').replaceAll('$tenant', '.*').replaceAll('$job', '.*');

describe('docs/metrics.md', () => {
  it('has the table of all metrics', () => {
    const rows = Array.from(
      catalogue.values(),
      ({ name, type, labels, help }) =>
        `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help.replaceAll('|', '\\|')} |\n`,
    );
    const table = `| metric | type | labels | what |\n|---|---|---|---|\n${rows.join('')}`;
    const text = readFileSync(DOCUMENT, 'utf8');
    const [before, after] = [text.indexOf(BEGIN) + BEGIN.length, text.indexOf(END)];
    if (process.env.BREAKWATER_UPDATE_DOCUMENTS === '1') {
      writeFileSync(DOCUMENT, text.slice(0, before) + table + text.slice(after));
    } else expect(text.slice(before, after)).toBe(table);
  });

  it('names only metrics that there are', () => {
    const named = readFileSync(DOCUMENT, 'utf8').match(/\bbreakwater_[a-z_]+\b/g) ?? [];
    expect(named.filter((name) => !catalogue.has(name))).toEqual([]);
  });
});

describe('the names of metrics', () => {
  it.each([...catalogue.values()])(
    '$name is as Prometheus has it',
    ({ name, type, help, labels }) => {
      expect(name).toMatch(/^(breakwater|process|nodejs)_[a-z0-9_]+$/);
      if (type === 'counter') expect(name).toMatch(/_total$/);
      else expect(name).not.toMatch(/_(total|count|sum|bucket)$/);
      if (type === 'histogram') expect(name).toMatch(/_seconds$/);
      expect(name).not.toMatch(/_(ms|millis|kb|percent)(_|$)/);
      expect(help).toMatch(/[.)]$/);
      // Whatever a client can choose is no label.
      const forbidden = ['principal', 'topic', 'group', 'client_id', 'address', 'user', 'device'];
      expect(labels.filter((label) => forbidden.includes(label))).toEqual([]);
    },
  );
});

describe('the Grafana dashboard', () => {
  it('has panels of their own ids that do not overlap', () => {
    const ids = dashboard.panels.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const taken = new Set<string>();
    for (const { title, gridPos } of dashboard.panels) {
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect([title, x < 24, taken.has(`${x},${y}`)]).toEqual([title, true, false]);
          taken.add(`${x},${y}`);
        }
      }
    }
  });

  it.each(expressions)('$title: $expr', ({ expr }) => {
    expect(expressionProblems(catalogue, filledIn(expr))).toEqual([]);
    const used = expr.match(/\$(?!__)\w+/g) ?? [];
    const variables = dashboard.templating.list.map(({ name }) => `$${name}`);
    expect(used.filter((name) => !variables.includes(name))).toEqual([]);
  });
});

describe('the alerts', () => {
  it.each(rules)('$alert', ({ expr, annotations }) => {
    expect(expressionProblems(catalogue, expr)).toEqual([]);
    expect(annotations.summary.length).toBeGreaterThan(10);
    expect(annotations.description).toMatch(/\.\s*$/);
  });

  it('the check of expressions finds what is wrong', () => {
    const problems = (expr: string): string[] => expressionProblems(catalogue, expr);
    expect(problems('rate(breakwater_no_such_total[5m]) > 0')).toEqual([
      'breakwater_no_such_total is no metric',
      'it names no metric',
    ]);
    expect(problems('sum by (device) (breakwater_tenants)')).toEqual([
      'nothing has the label device',
    ]);
    expect(problems('breakwater_tenants{tenant="acme"}')).toEqual([
      'breakwater_tenants has no label tenant',
    ]);
    expect(problems('1 > 0')).toEqual(['it names no metric']);
  });
});

describeRequiring(['promtool'], 'promtool', () => {
  const check = (file: string): (number | string | null)[] => {
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'rules', file]);
    return [status, status === 0 ? '' : `${stdout}${stderr}`];
  };

  it('takes the alerts', () => {
    expect(check(ALERTS)).toEqual([0, '']);
  });

  it('takes the expressions of the dashboard, and no nonsense', () => {
    const directory = mkdtempSync(join(tmpdir(), 'breakwater-rules-'));
    const rulesOf = (exprs: readonly string[]): string =>
      JSON.stringify({
        groups: [
          {
            name: 'dashboard',
            rules: exprs.map((expr, index) => ({ record: `panel:${index}`, expr: filledIn(expr) })),
          },
        ],
      });
    try {
      const file = join(directory, 'rules.yml');
      writeFileSync(file, rulesOf(expressions.map(({ expr }) => expr)));
      expect(check(file)).toEqual([0, '']);
      writeFileSync(file, rulesOf(['sum by (']));
      expect(check(file)[0]).not.toBe(0);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
