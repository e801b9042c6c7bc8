/** One request to a broker's admin listener with the operator's certificate (or another one). */
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import type { BrokerProcess } from './broker-process.ts';

export interface AdminReply {
  readonly status: number;
  readonly body: unknown;
}

export function adminRequest(
  broker: BrokerProcess,
  method: string,
  path: string,
  body?: unknown,
): Promise<AdminReply> {
  const file = (name: string): Buffer => readFileSync(join(broker.certsDir, name));
  return new Promise((resolve, reject) => {
    const call = request(
      {
        host: '127.0.0.1',
        port: broker.adminPort,
        method,
        path,
        ca: file('ca.crt'),
        cert: file('operator.crt'),
        key: file('operator.key'),
        agent: false,
        ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' } }),
      },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          resolve({
            status: answer.statusCode ?? 0,
            body: text === '' ? null : (JSON.parse(text) as unknown),
          });
        });
      },
    );
    call.on('error', reject);
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
