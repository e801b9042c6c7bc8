/**
 * Owns the way from a command to a running broker: the admin API over HTTPS with the operator's
 * certificate, or a token in its place. There is no other.
 *
 * A request whose connection was lost is sent once more; a change by POST carries a key, so that it is
 * done once. Invariant: the broker is verified against the server CA given, never against the system's, before
 * a token is sent; nothing of a token is printed; every failure ends as a CommandError that says what
 * to do next.
 */
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Command } from 'commander';
import { readRequired } from '../base/credential-files.ts';
import { randomUuid, systemRandom } from '../base/random.ts';
import { allPages } from './all-pages.ts';
import { asObject } from './answer-fields.ts';
import { CommandError } from './command-error.ts';

export interface ConnectionOptions {
  readonly url?: string;
  readonly certs?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly ca?: string;
  readonly tokenFile?: string;
}

const DEFAULT_URL = 'https://127.0.0.1:9643';
const DEFAULT_CERTS_DIR = 'certs-dev';
const TIMEOUT_MS = 30_000;
/** After a lost connection, while the request that was on it is under way. */
const ASKED_AGAIN_MS = 250;
const ASKED_AGAIN_MAX = 40;
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

export function addConnectionOptions(command: Command): Command {
  return command
    .option('--url <url>', `admin address (default: $BREAKWATER_ADMIN_URL or ${DEFAULT_URL})`)
    .option(
      '--certs <dir>',
      `folder of operator.crt, operator.key and ca.crt (default: $BREAKWATER_CERTS_DIR or ${DEFAULT_CERTS_DIR})`,
    )
    .option('--cert <file>', 'operator certificate (default: $BREAKWATER_ADMIN_CERT)')
    .option('--key <file>', 'its private key (default: $BREAKWATER_ADMIN_KEY)')
    .option('--ca <file>', 'CA of the broker certificate (default: $BREAKWATER_ADMIN_CA)')
    .option(
      '--token-file <file>',
      'a bearer token instead of the certificate (default: $BREAKWATER_ADMIN_TOKEN_FILE)',
    );
}

/** The folder in which a command looks for certificates. */
export function certsDirOf(options: Pick<ConnectionOptions, 'certs'>): string {
  return resolve(options.certs ?? process.env.BREAKWATER_CERTS_DIR ?? DEFAULT_CERTS_DIR);
}

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

export interface AdminAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** As a header can hold it. */
const TOKEN = /^[\x21-\x7e]{1,15000}$/;

export class AdminClient {
  readonly #url: URL;
  readonly #agent: Agent;
  readonly #authorization: { readonly authorization?: string };

  /** Reads the certificate files; throws when one is missing. */
  constructor(options: ConnectionOptions) {
    this.#url = parseUrl(options.url ?? process.env.BREAKWATER_ADMIN_URL ?? DEFAULT_URL);
    const dir = certsDirOf(options);
    const environment = process.env;
    const remedy =
      'name it with --certs DIR (or --cert, --key and --ca); "breakwater init" or a first ' +
      '"breakwater serve --dev" makes an operator certificate';
    const read = (given: string | undefined, name: string): string =>
      readRequired(given ?? join(dir, name), remedy);
    // A certificate that was named beside a token would not be who acts: only one is used.
    const tokenFile = tokenFileOf(options);
    this.#authorization =
      tokenFile === undefined ? {} : { authorization: `Bearer ${tokenIn(tokenFile)}` };
    this.#agent = new Agent({
      ...(tokenFile === undefined && {
        cert: read(options.cert ?? environment.BREAKWATER_ADMIN_CERT, 'operator.crt'),
        key: read(options.key ?? environment.BREAKWATER_ADMIN_KEY, 'operator.key'),
      }),
      ca: read(options.ca ?? environment.BREAKWATER_ADMIN_CA, 'ca.crt'),
      minVersion: 'TLSv1.2',
      keepAlive: true,
      maxSockets: 1,
    });
  }

  /** The answer's JSON; throws CommandError when the broker refuses or cannot be reached. */
  async call(method: Method, path: string, body?: object): Promise<unknown> {
    const answer = await this.callAnyStatus(method, path, body);
    if (answer.status >= 200 && answer.status < 300) return answer.body;
    throw new CommandError(problemText(answer));
  }

  /** All pages of a listing, as one: `{ [name]: [...] }`. */
  all<Name extends string>(
    path: string,
    query: Readonly<Record<string, string>>,
    names: readonly Name[],
    most?: number,
  ): ReturnType<typeof allPages<Name>> {
    return allPages((text) => this.call('GET', path + text), query, names, most);
  }

  /** As `call`, but a refusal is an answer too. */
  async callAnyStatus(method: Method, path: string, body?: object): Promise<AdminAnswer> {
    // The same change under the same key is done once, however often it arrives.
    const key = method === 'POST' ? randomUuid(systemRandom) : null;
    const exchange = (): Promise<AdminAnswer> => this.#exchange(method, path, body, key);
    try {
      return await exchange().catch((cause: unknown) => {
        if (!isLost(cause)) throw cause;
        return untilDone(exchange).then((answer) => afterLoss(method, answer));
      });
    } catch (cause) {
      throw cause instanceof CommandError ? cause : unreachable(this.#url, cause);
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  #exchange(
    method: string,
    path: string,
    body: object | undefined,
    key: string | null,
  ): Promise<AdminAnswer> {
    const content = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolvePromise, reject) => {
      const outgoing = request(
        new URL(path, this.#url),
        {
          method,
          agent: this.#agent,
          timeout: TIMEOUT_MS,
          headers: {
            ...this.#authorization,
            ...(key !== null && { 'idempotency-key': key }),
            ...(content !== undefined && {
              'content-type': 'application/json',
              'content-length': Buffer.byteLength(content),
            }),
          },
        },
        (response) => readAnswer(response).then(resolvePromise, reject),
      );
      outgoing.on('timeout', () =>
        outgoing.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })),
      );
      outgoing.on('error', reject);
      outgoing.end(content);
    });
  }
}

function tokenFileOf(options: ConnectionOptions): string | undefined {
  const given = options.tokenFile;
  if (given !== undefined && (options.cert !== undefined || options.key !== undefined)) {
    throw new CommandError('give either --token-file, or --cert and --key');
  }
  // Who names a certificate for this command does not want what the environment says.
  if (options.cert !== undefined || options.key !== undefined) return undefined;
  return given ?? process.env.BREAKWATER_ADMIN_TOKEN_FILE;
}

function tokenIn(path: string): string {
  const token = readRequired(path, 'it must hold the token alone').trim();
  if (TOKEN.test(token)) return token;
  throw new CommandError(`${path} holds no token: one line, without spaces, and nothing else`);
}

/** Runs one command's exchange with the broker; the connection is closed in any case. */
export async function withAdmin<T>(
  options: ConnectionOptions,
  run: (client: AdminClient) => Promise<T>,
): Promise<T> {
  const client = new AdminClient(options);
  try {
    return await run(client);
  } finally {
    client.close();
  }
}

/** A path from fixed parts and names: `pathOf('v1', 'tenants', name)`. */
export function pathOf(...parts: readonly string[]): string {
  return parts.map((part) => `/${encodeURIComponent(part)}`).join('');
}

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isPlain = url !== null && url.pathname === '/' && url.search === '' && url.username === '';
  if (url?.protocol === 'https:' && isPlain) return url;
  throw new CommandError(
    'the admin address must be https://host:port (--url or BREAKWATER_ADMIN_URL), for example ' +
      DEFAULT_URL,
  );
}

async function readAnswer(response: IncomingMessage): Promise<AdminAnswer> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of response) {
    if (!Buffer.isBuffer(chunk)) continue;
    sizeBytes += chunk.length;
    if (sizeBytes > ANSWER_BYTES_MAX) throw new CommandError('the answer is larger than 64 MiB');
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  try {
    const body: unknown = text === '' ? null : JSON.parse(text);
    return { status: response.statusCode ?? 0, body };
  } catch (cause) {
    const message = 'what answered is no admin listener of Breakwater: check --url';
    throw new CommandError(message, { cause });
  }
}

function problemText({ status, body }: AdminAnswer): string {
  const { detail, next } = asObject(body);
  const said = typeof detail === 'string' ? detail : `HTTP status ${status}`;
  return `the broker refused: ${said}${typeof next === 'string' ? `\n${next}` : ''}`;
}

/** The connection ended before an answer: the request may have been done, or not. */
function isLost(cause: unknown): boolean {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  return code === 'ECONNRESET' || code === 'EPIPE';
}

/** While the first request is still under way, the broker answers the second that it is. */
async function untilDone(exchange: () => Promise<AdminAnswer>): Promise<AdminAnswer> {
  const isUnderWay = ({ body }: AdminAnswer): boolean =>
    asObject(body).code === 'idempotency-key-in-use';
  let answer = await exchange();
  for (let asked = 1; asked < ASKED_AGAIN_MAX && isUnderWay(answer); asked += 1) {
    await setTimeout(ASKED_AGAIN_MS);
    answer = await exchange();
  }
  return answer;
}

/** What is gone when the second request comes was removed by the first. */
function afterLoss(method: string, answer: AdminAnswer): AdminAnswer {
  return method === 'DELETE' && answer.status === 404 ? { status: 204, body: null } : answer;
}

const NOT_VERIFIED = /^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_|ERR_TLS_CERT_)/;

function unreachable(url: URL, cause: unknown): CommandError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const where = `${url.protocol}//${url.host}`;
  const say = (text: string): CommandError => new CommandError(text, { cause });
  if (code === 'ECONNREFUSED') {
    return say(
      `no broker answers at ${where}: start one with "breakwater serve", or name another with ` +
        '--url or BREAKWATER_ADMIN_URL',
    );
  }
  if (NOT_VERIFIED.test(code)) {
    return say(
      `the broker at ${where} did not prove itself (${code}): give the CA of its certificate ` +
        'with --ca, and connect to a name that stands in the certificate',
    );
  }
  if (code === 'ECONNRESET' || code === 'EPIPE' || code.startsWith('ERR_SSL')) {
    return say(
      `the broker at ${where} closed the connection: it lets in operators only, with a ` +
        'valid certificate of its own operator CA (--cert and --key), or with a token where admin.oauth.issuers.file is set',
    );
  }
  return say(`no answer from ${where} (${code || 'unknown error'}): is it the admin listener?`);
}
