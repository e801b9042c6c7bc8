/**
 * Owns how Breakwater speaks TLS: versions, suites, whom it trusts, and the exchange of its files
 * while it runs.
 *
 * Invariants: TLS 1.2 with ephemeral keys and AEAD, or 1.3; no renegotiation, no compression. A
 * client listener trusts the client root, the admin listener the operator CA, neither the other's.
 * `rejectUnauthorized` is false, so that a refusal has a reason to audit: a listener MUST run
 * `admit` or `admitOperator` on every connection before it reads a byte (the admin listener, where
 * it takes tokens, lets one without a certificate show a token first). Broken files never replace
 * good ones.
 *
 * Tickets are on: a fleet that reconnects costs less than half (1.6 against 3.9 ms of CPU a
 * handshake), and admission decides on resumed connections from the same certificate as on full
 * ones. Ticket keys are random, live in memory, and are changed by a reload.
 */
import { constants, createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContextOptions, type TlsOptions } from 'node:tls';
import type { Clock, Timer } from '../base/clock.ts';
import { readIfThere } from '../base/credential-files.ts';
import { ConfigError, PkiError } from '../base/errors.ts';
import { splitPem } from '../pki/der.ts';

/** Paths of PEM files. */
export interface TlsFiles {
  /** The broker's certificate, followed by its chain if it has one. */
  readonly certificate: string;
  readonly key: string;
  /**
   * Whom clients of this listener must come from: the client root, or the operator CA. Tenants' CAs
   * stay out, since TLS names every trusted CA to strangers; clients send theirs along.
   */
  readonly clientCa: string;
}

export interface TlsMaterial {
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly clientCaPem: string;
  /** The broker's own certificate. */
  readonly certificate: X509Certificate;
  /** The authorities in `clientCaPem`. */
  readonly clientCas: readonly X509Certificate[];
  readonly expiresAtMs: number;
}

/** AES-128 first: full strength at the higher rate; ChaCha20 when a client without AES prefers it. */
export const CIPHER_SUITES = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

export const CURVES = 'X25519:P-256:P-384';

export const SIGNATURE_ALGORITHMS = [
  'ecdsa_secp256r1_sha256',
  'ecdsa_secp384r1_sha384',
  'ed25519',
  'rsa_pss_rsae_sha256',
  'rsa_pss_rsae_sha384',
  'rsa_pss_rsae_sha512',
  'rsa_pkcs1_sha256',
  'rsa_pkcs1_sha384',
  'rsa_pkcs1_sha512',
].join(':');

/** A ticket is good for five minutes: enough for a reconnect, little for a thief of memory. */
const SESSION_TIMEOUT_SECONDS = 300;

/** Reads and checks the files. Throws ConfigError that names the file and what to do. */
export function loadTlsMaterial(files: TlsFiles, nowMs: number): TlsMaterial {
  const texts = readTlsTexts(files);
  const [certificate] = parseCertificates(texts.certificatePem, files.certificate);
  const key = parseKey(texts.keyPem, files.key);
  if (!certificate!.checkPrivateKey(key)) {
    throw new ConfigError(`${files.key} is not the key of ${files.certificate}: give the pair`);
  }
  checkDates(
    certificate!,
    files.certificate,
    nowMs,
    'issue a new one with "breakwater cert issue"',
  );
  const clientCas = parseCertificates(texts.clientCaPem, files.clientCa);
  for (const ca of clientCas) {
    if (!ca.ca) throw new ConfigError(`${files.clientCa} holds a certificate that is not a CA`);
    checkDates(ca, files.clientCa, nowMs, 'give a CA that is valid now');
  }
  const expiresAtMs = Date.parse(certificate!.validTo);
  return { ...texts, certificate: certificate!, clientCas, expiresAtMs };
}

type TlsTexts = Pick<TlsMaterial, 'certificatePem' | 'keyPem' | 'clientCaPem'>;

function readTlsTexts(files: TlsFiles): TlsTexts {
  return {
    certificatePem: readText(files.certificate, 'the certificate of the broker'),
    keyPem: readText(files.key, 'the private key of the broker'),
    clientCaPem: readText(files.clientCa, 'the CA that clients must come from'),
  };
}

function readText(path: string, what: string): string {
  let text: string | null;
  try {
    text = readIfThere(path);
  } catch (cause) {
    if (!(cause instanceof PkiError)) throw cause;
    throw new ConfigError(cause.message, { cause });
  }
  if (text === null) {
    throw new ConfigError(`${path} is missing: it must hold ${what} (see "breakwater init")`);
  }
  return text;
}

function parseCertificates(pem: string, path: string): X509Certificate[] {
  const blocks = splitPem('CERTIFICATE', pem);
  if (blocks.length === 0) throw new ConfigError(`${path} holds no PEM certificate`);
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch (cause) {
    throw new ConfigError(`${path} holds a certificate that cannot be read`, { cause });
  }
}

function parseKey(pem: string, path: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw new ConfigError(`${path} holds no private key that opens without a password`, { cause });
  }
}

function checkDates(
  certificate: X509Certificate,
  path: string,
  nowMs: number,
  remedy: string,
): void {
  if (nowMs > Date.parse(certificate.validTo)) {
    throw new ConfigError(`${path} expired on ${certificate.validTo}: ${remedy}`);
  }
  if (nowMs < Date.parse(certificate.validFrom)) {
    throw new ConfigError(`${path} is valid from ${certificate.validFrom} only: check the clock`);
  }
}

/**
 * What a secure context is made of; `setSecureContext` takes the same. `namedOnly` are certificates,
 * PEM, whose subjects are told to clients beside those of the CAs: see pki/stand-in-certificate.ts.
 */
export function secureContextOptions(
  material: TlsMaterial,
  namedOnly: readonly string[] = [],
): SecureContextOptions {
  return {
    cert: material.certificatePem,
    key: material.keyPem,
    ca: [...material.clientCas.map((ca) => ca.toString()), ...namedOnly],
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    ciphers: CIPHER_SUITES,
    honorCipherOrder: true,
    ecdhCurve: CURVES,
    sigalgs: SIGNATURE_ALGORITHMS,
    sessionTimeout: SESSION_TIMEOUT_SECONDS,
    secureOptions:
      constants.SSL_OP_NO_RENEGOTIATION |
      constants.SSL_OP_NO_COMPRESSION |
      constants.SSL_OP_PRIORITIZE_CHACHA,
  };
}

/** Options for `tls.createServer` (and, with its own additions, `https.createServer`). */
export function tlsServerOptions(material: TlsMaterial, handshakeTimeoutMs: number): TlsOptions {
  return {
    ...secureContextOptions(material),
    requestCert: true,
    rejectUnauthorized: false,
    handshakeTimeout: handshakeTimeoutMs,
  };
}

/** A live `tls.Server`, as far as a reload needs it. */
export interface ReloadableServer {
  setSecureContext(options: SecureContextOptions): void;
}

export interface TlsWatchOptions {
  readonly files: TlsFiles;
  /** What is in use now: only a difference from it is a change. */
  readonly current: TlsMaterial;
  readonly servers: readonly ReloadableServer[];
  /** See secureContextOptions. */
  readonly namedOnly?: () => readonly string[];
  readonly clock: Clock;
  readonly intervalMs: number;
  readonly onReload: (material: TlsMaterial) => void;
  /** Once for each distinct problem; the last good material stays in use. */
  readonly onError: (error: ConfigError) => void;
}

export interface TlsWatch {
  /** Looks now, without waiting for the interval: for a signal, an admin request or a test. */
  check(): void;
  stop(): void;
}

/**
 * Looks at the files every `intervalMs` and gives changed ones to the servers; connections that
 * stand are not touched. Content is compared, not time stamps, and looking again is the debounce: a
 * certificate that was written before its key does not fit, is reported, and is taken up with it.
 */
export function watchTlsFiles(options: TlsWatchOptions): TlsWatch {
  const { files, clock } = options;
  let inUse = textsOf(options.current);
  let reported: string | null = null;
  let timer: Timer | null = null;

  const check = (): void => {
    let material: TlsMaterial | null;
    try {
      material = takeUp();
    } catch (cause) {
      const error = asConfigError(cause);
      if (error.message === reported) return;
      reported = error.message;
      options.onError(error);
      return;
    }
    reported = null;
    if (material !== null) options.onReload(material);
  };
  const takeUp = (): TlsMaterial | null => {
    if (textsOf(readTlsTexts(files)) === inUse) return null;
    const material = loadTlsMaterial(files, clock.nowMs());
    const context = secureContextOptions(material, options.namedOnly?.());
    createSecureContext(context); // Throws before any of the servers has changed.
    for (const server of options.servers) server.setSecureContext(context);
    inUse = textsOf(material);
    return material;
  };
  const arm = (): void => {
    timer = clock.setTimer(options.intervalMs, () => {
      check();
      if (timer !== null) arm();
    });
  };
  arm();
  return {
    check,
    stop: () => {
      timer?.cancel();
      timer = null;
    },
  };
}

const textsOf = (texts: TlsTexts): string =>
  `${texts.certificatePem}\0${texts.keyPem}\0${texts.clientCaPem}`;

function asConfigError(cause: unknown): ConfigError {
  if (cause instanceof ConfigError) return cause;
  const message = cause instanceof Error ? cause.message : String(cause);
  return new ConfigError(`the TLS files are not usable: ${message}`, { cause });
}
