/** The file that sets up external authorizers: taken whole, or refused with line and reason. */
import { describe, expect, it } from 'vitest';
import {
  ExternalSettingsError,
  parseExternalSettings,
} from '../../../src/security/external/external-settings.ts';

const refusal = (text: string): string => {
  try {
    parseExternalSettings(text);
  } catch (error) {
    if (error instanceof ExternalSettingsError) return `${error.line}: ${error.message}`;
    throw error;
  }
  return 'taken';
};

const file = (...lines: string[]): string => [...lines, '# end', ''].join('\n');
const PDP = ['pdps:', '  one:', '    protocol: authzen', '    url: https://pdp.internal:8443'];

describe('the file of external authorizers', () => {
  it('says which tenant asks whom, in which mode, and local for all others', () => {
    const { tenants, fallback } = parseExternalSettings(
      file(
        ...PDP,
        '    timeout.ms: 150',
        '    cache: { allow.ttl.ms: 9, deny.ttl.ms: 8, max: 7 }',
        '    batch: { max: 6, wait.ms: 5 }',
        '    circuit: { failures: 4, open.ms: 300 }',
        '    tls: { ca: ca.pem, certificate: c.pem, key: k.pem }',
        'tenants:',
        '  acme: { mode: local-and-external, pdp: one }',
        '  plain: { mode: local }',
      ),
    );
    expect(fallback).toEqual({ mode: 'local', pdp: null });
    expect(tenants.get('plain')).toEqual({ mode: 'local', pdp: null });
    expect(tenants.get('acme')).toMatchObject({
      mode: 'local-and-external',
      pdp: {
        name: 'one',
        protocol: 'authzen',
        batchMax: 6,
        tls: { ca: 'ca.pem', certificate: 'c.pem', key: 'k.pem' },
        lane: { timeoutMs: 150, batchWaitMs: 5, circuit: { failures: 4, openMs: 300 } },
        cache: { allowTtlMs: 9, denyTtlMs: 8, entriesMax: 7 },
      },
    });
  });

  it('a default holds for tenants that are not named', () => {
    const settings = parseExternalSettings(file(...PDP, 'default: { mode: external, pdp: one }'));
    expect(settings.fallback.mode).toBe('external');
  });

  it.each([
    ['cut off', 'pdps: {}\ntenants: {}\n', /^3?.*"# end"/],
    ['not YAML', file('pdps: [}'), /not valid YAML/],
    ['a list', file('- a'), /must hold/],
    ['an unknown key', file('pdp: {}'), /^1: pdp: no such key/],
    ['an unknown key inside', file(...PDP, '    timeout: 5'), /^5: pdps.one.timeout: no such key/],
    [
      'an unknown PDP',
      file('tenants:', '  a: { mode: external, pdp: x }'),
      /^2: .*no such PDP.*: x/,
    ],
    ['no PDP', file('tenants:', '  a: { mode: external }'), /needs "pdp"/],
    [
      'an unknown mode',
      file('tenants:', '  a: { mode: open }'),
      /^2: tenants.a.mode: must be one of/,
    ],
    ['no mode', file('tenants:', '  a: {}'), /mode: must be one of/],
    ['a name that is none', file('tenants:', '  A/B: { mode: local }'), /is not a name/],
    ['a tenant twice', file('tenants:', '  a: { mode: local }', '  a: { mode: local }'), /YAML/],
    [
      'plain http elsewhere',
      file('pdps:', '  o: { protocol: authzen, url: "http://pdp.internal" }'),
      /must be https/,
    ],
    [
      'http that only looks local',
      file('pdps:', '  o: { protocol: authzen, url: "http://127.0.0.1.evil.example" }'),
      /must be https/,
    ],
    [
      'credentials in the URL',
      file('pdps:', '  o: { protocol: authzen, url: "https://u:p@pdp" }'),
      /only scheme/,
    ],
    ['a file URL', file('pdps:', '  o: { protocol: authzen, url: "file:///etc" }'), /url/],
    [
      'an OPA without a path',
      file('pdps:', '  o: { protocol: opa, url: "https://pdp" }'),
      /needs "path"/,
    ],
    [
      'a path with a query',
      file('pdps:', '  o: { protocol: opa, url: "https://pdp", path: "/a?b" }'),
      /plain path/,
    ],
    [
      'a batch for OPA',
      file('pdps:', '  o: { protocol: opa, url: "https://pdp", path: /a, batch: { max: 2 } }'),
      /no batch/,
    ],
    [
      'a certificate without its key',
      file(...PDP, '    tls: { certificate: c.pem }'),
      /belong together/,
    ],
    [
      'TLS for http',
      file('pdps:', '  o: { protocol: authzen, url: "http://localhost:1", tls: { ca: x } }'),
      /http has no TLS/,
    ],
    ['a time-out of nothing', file(...PDP, '    timeout.ms: 0'), /whole number from 10/],
    ['a number as text', file(...PDP, '    timeout.ms: "100"'), /whole number/],
    ['a map where a value stands', file(...PDP, '    timeout.ms: {}'), /one value/],
  ])('%s is refused', (_what, text, reason) => {
    expect(refusal(text)).toMatch(reason);
  });
});
