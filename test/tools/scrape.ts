/** Reads /metrics of a broker as the operator, and looks figures up in the answer. */
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import type { BrokerProcess } from './broker-process.ts';

export interface Scraped {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
  /** Undefined: there is no such series. `labels` in any order; all of them. */
  value(name: string, labels?: Readonly<Record<string, string>>): number | undefined;
  /** The label sets of a name. */
  series(name: string): Record<string, string>[];
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

interface Sample {
  readonly name: string;
  readonly labels: Record<string, string>;
  readonly value: number;
}

export function parseMetrics(text: string): Sample[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, name, labels = '', value] = LINE.exec(line) ?? [];
      if (name === undefined) throw new Error(`no sample: ${line}`);
      const pairs = [...labels.matchAll(LABEL)].map(([, key, said]) => [key!, said!] as const);
      return { name, labels: Object.fromEntries(pairs), value: Number(value) };
    });
}

const keyOf = (name: string, labels: Readonly<Record<string, string>>): string =>
  `${name} ${JSON.stringify(Object.entries(labels).sort())}`;

export async function scrape(broker: BrokerProcess): Promise<Scraped> {
  const { status, contentType, text } = await get(broker, '/metrics');
  const samples = status === 200 ? parseMetrics(text) : [];
  const values = new Map(samples.map((one) => [keyOf(one.name, one.labels), one.value]));
  return {
    status,
    contentType,
    text,
    value: (name, labels = {}) => values.get(keyOf(name, labels)),
    series: (name) => samples.filter((one) => one.name === name).map(({ labels }) => labels),
  };
}

function get(
  broker: BrokerProcess,
  path: string,
): Promise<Pick<Scraped, 'status' | 'contentType' | 'text'>> {
  const file = (name: string): Buffer => readFileSync(join(broker.certsDir, name));
  return new Promise((resolve, reject) => {
    const call = request(
      {
        host: '127.0.0.1',
        port: broker.adminPort,
        path,
        ca: file('ca.crt'),
        cert: file('operator.crt'),
        key: file('operator.key'),
        agent: false,
      },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8');
        answer.on('data', (chunk: string) => {
          text += chunk;
        });
        answer.on('end', () => {
          const contentType = answer.headers['content-type'] ?? '';
          resolve({ status: answer.statusCode ?? 0, contentType, text });
        });
      },
    );
    call.on('error', reject);
    call.end();
  });
}
