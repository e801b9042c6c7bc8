/**
 * The admin API tried by its own OpenAPI document, by a tool that nobody here wrote: whatever is sent,
 * nothing fails inside, every answer is as the document says, and no route is open to who may not.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ADMIN_ROUTES } from '../../src/admin/routes/index.ts';
import { type BrokerProcess, startBroker } from '../tools/broker-process.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { testSeed } from '../tools/test-seed.ts';
import { claimsFor, signedToken, signingKey, writeJwks } from '../tools/token-issuer.ts';
import { describeRequiring, schemathesis } from '../tools/tool-detection.ts';
import { ROLE_MATRIX } from './role-matrix.ts';

const AUDIENCE = 'breakwater-admin';
const OPERATORS = 'https://operators.example.com/';
const TENANTS = 'https://tenants.example.com/';
const key = signingKey('k1');
const seed = testSeed('the OpenAPI document', 11);
const RUN_TIMEOUT_MS = 120_000;

const issuersFile = `issuers:
  - issuer: ${OPERATORS}
    audience: ${AUDIENCE}
    jwks.file: jwks.json
    scope.roles: { operate: [operator], audit: [auditor] }
  - issuer: ${TENANTS}
    audience: ${AUDIENCE}
    jwks.file: jwks.json
    tenants: [globex]
    scope.roles: { administer: [admin] }
`;

interface Exchange {
  readonly id: string;
  readonly status: number;
}

describeRequiring(['built-broker', 'schemathesis'], 'the admin API, by its document', () => {
  let dir: string;
  let broker: BrokerProcess;

  beforeAll(async () => {
    dir = temporaryDirectory('openapi');
    writeFileSync(join(dir, 'issuers.yaml'), issuersFile);
    writeJwks(join(dir, 'jwks.json'), [key]);
    // Of acme there is something to find; no other tenant would ever be guessed.
    writeFileSync(join(dir, 'schemathesis.toml'), '[parameters]\n"path.tenant" = "acme"\n');
    broker = await startBroker({
      env: {
        BREAKWATER_ADMIN_OAUTH_ISSUERS_FILE: join(dir, 'issuers.yaml'),
        // What is tried without credentials is not what is tested here.
        BREAKWATER_FAILED_AUTHENTICATION_EXEMPT_ADDRESSES: '127.0.0.1',
        BREAKWATER_CONNECTION_FAILED_AUTHENTICATION_DELAY_MS: '0',
      },
    });
    const document = await fetchDocument();
    writeFileSync(join(dir, 'openapi.json'), document);
  }, 60_000);
  afterAll(async () => {
    await broker?.dispose();
    removeDirectory(dir);
  });

  const certificate = () => [
    ...['--request-cert', join(broker.certsDir, 'operator.crt')],
    ...['--request-cert-key', join(broker.certsDir, 'operator.key')],
  ];
  const bearer = (issuer: string, scope: string) => [
    '-H',
    `Authorization: Bearer ${signedToken(key, claimsFor(issuer, AUDIENCE, { sub: 'ada', scope }))}`,
  ];

  async function fetchDocument(): Promise<string> {
    const { request } = await import('node:https');
    const read = (name: string): Buffer => readFileSync(join(broker.certsDir, name));
    const tls = { ca: read('ca.crt'), cert: read('operator.crt'), key: read('operator.key') };
    const url = `https://127.0.0.1:${broker.adminPort}/openapi.json`;
    return new Promise((resolve, reject) => {
      request(url, tls, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => resolve(text));
      })
        .on('error', reject)
        .end();
    });
  }

  /** Resolves with the exit code and what was printed. */
  function runTool(name: string, args: readonly string[]): Promise<[number | null, string]> {
    const child = spawn(
      schemathesis,
      [
        ...['--config-file', 'schemathesis.toml', 'run', 'openapi.json'],
        ...['--url', `https://127.0.0.1:${broker.adminPort}`],
        ...['--tls-verify', join(broker.certsDir, 'ca.crt'), '--seed', String(seed)],
        ...['--generation-database', 'none', '--warnings', 'off', '--no-color'],
        ...['--continue-on-failure', '--report', 'har', '--report-har-path', `${name}.har`],
        ...args,
      ],
      { cwd: dir, timeout: RUN_TIMEOUT_MS },
    );
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        output = (output + chunk).slice(-8_000);
      });
    }
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve([code, output]));
    });
  }

  const patterns = ADMIN_ROUTES.map(({ id, method, path }) => ({
    id,
    method,
    path: new RegExp(`^${path.replace(/:\w+/g, '[^/]*')}$`),
  }));

  /** What was asked of routes that there are, and how each was answered. */
  function exchanges(name: string): Exchange[] {
    const file = join(dir, `${name}.har`);
    if (!existsSync(file)) throw new Error('the tool left no record of what it sent');
    const { log } = JSON.parse(readFileSync(file, 'utf8')) as {
      log: {
        entries: { request: { method: string; url: string }; response: { status: number } }[];
      };
    };
    return log.entries.flatMap(({ request, response }) => {
      const { pathname } = new URL(request.url);
      const found = patterns.find(
        ({ method, path }) => method === request.method && path.test(pathname),
      );
      return found === undefined ? [] : [{ id: found.id, status: response.status }];
    });
  }

  const isDone = ({ status }: Exchange): boolean => status >= 200 && status < 300;
  const few = ['--phases', 'fuzzing', '--mode', 'positive', '-n', '2'];
  const failsNothing = ['--checks', 'not_a_server_error'];

  test(
    'nobody is answered, whatever is asked',
    async () => {
      const [code, output] = await runTool('nobody', [...few, ...failsNothing]);
      expect(code, output).toBe(0);
      const asked = exchanges('nobody');
      expect(new Set(asked.map(({ id }) => id)).size).toBe(ADMIN_ROUTES.length);
      expect([...new Set(asked.map(({ status }) => status))]).toEqual([401]);
    },
    RUN_TIMEOUT_MS,
  );

  describe.each([
    ['an auditor', 'auditor', () => bearer(OPERATORS, 'audit')],
    ['an administrator of another tenant', 'tenant admin', () => bearer(TENANTS, 'administer')],
  ] as const)('%s', (_who, role, headers) => {
    test(
      'is refused where the matrix says so, and never does what it may not',
      async () => {
        const name = role.replace(' ', '-');
        const [code, output] = await runTool(name, [...few, ...failsNothing, ...headers()]);
        expect(code, output).toBe(0);
        const asked = exchanges(name);
        expect(new Set(asked.map(({ id }) => id)).size).toBe(ADMIN_ROUTES.length);
        const open = ADMIN_ROUTES.filter(({ id, stance }) =>
          role === 'auditor' ? ROLE_MATRIX[id]!.includes(role) : 'who' in stance,
        ).map(({ id }) => id);
        const done = [...new Set(asked.filter(isDone).map(({ id }) => id))];
        expect(done.filter((id) => !open.includes(id))).toEqual([]);
        expect(done.length).toBeGreaterThan(0);
        const closed = asked.filter(({ id }) => !open.includes(id));
        const statuses = new Set(closed.map(({ status }) => status));
        expect([...statuses].filter((status) => status !== 400 && status !== 403)).toEqual([]);
        expect(statuses).toContain(403);
      },
      RUN_TIMEOUT_MS,
    );
  });

  test(
    'an operator finds nothing that fails inside, or answers otherwise than it says',
    async () => {
      const checks = [
        'not_a_server_error',
        'status_code_conformance',
        'content_type_conformance',
        'response_schema_conformance',
        'negative_data_rejection',
      ].join(',');
      const many = ['--phases', 'coverage,fuzzing', '-n', '4', '--checks', checks];
      const [code, output] = await runTool('operator', [...many, ...certificate()]);
      expect(code, output).toBe(0);
      const asked = exchanges('operator');
      const done = new Set(asked.filter(isDone).map(({ id }) => id));
      for (const id of ['listTopics', 'createTopic', 'suspendTenant', 'suspendDevice']) {
        expect(done, 'the run reached behind the checks of requests').toContain(id);
      }
      expect(asked.filter(({ status }) => status >= 500)).toEqual([]);
    },
    RUN_TIMEOUT_MS,
  );
});
