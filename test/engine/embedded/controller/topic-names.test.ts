import { describe, expect, it } from 'vitest';
import {
  collisionKey,
  namespaceOf,
  topicNameProblem,
} from '../../../../src/engine/embedded/controller/topic-names.ts';

const LONGEST_NAMESPACE = 'n'.repeat(63);

describe('topic names', () => {
  it.each([
    'acme.telemetry',
    'acme.a',
    'acme.device-1.events',
    'acme.__mine',
    'acme..hidden',
    'acme._',
    'acme....',
    'telemetry',
    `${LONGEST_NAMESPACE}.${'x'.repeat(184)}`,
  ])('%s is legal', (name) => {
    expect(topicNameProblem(name)).toBeNull();
  });

  it.each([
    ['', /empty/],
    ['acme.', /empty/],
    ['acme..', /'\.' or '\.\.'/],
    ['acme...', /'\.' or '\.\.'/],
    [`acme.${'x'.repeat(185)}`, /longer than 184/],
    ['acme.a b', /only ASCII/],
    ['acme.a/b', /only ASCII/],
    ['acme./etc', /only ASCII/],
    ['acme.a\\b', /only ASCII/],
    ['acme.a\u0000', /only ASCII/],
    ['acme.a\n', /only ASCII/],
    ['acme.ä', /only ASCII/],
    ['../../etc', /only ASCII/],
    ['a/b.topic', /only ASCII/],
    ['.hidden', /no leading/],
    ['__cluster_metadata', /reserved/],
    ['__internal.topic', /reserved/],
    [`${'n'.repeat(70)}.${'x'.repeat(184)}`, /too long/],
  ])('%j is refused', (name, problem) => {
    expect(topicNameProblem(name)).toMatch(problem);
  });

  it('a legal name fits a folder name even with the largest partition', () => {
    const longest = `${LONGEST_NAMESPACE}.${'x'.repeat(184)}`;
    expect(`${longest}-99999`.length).toBeLessThanOrEqual(255);
  });

  it('belongs to the namespace before its first dot', () => {
    expect(namespaceOf('acme.a.b')).toBe('acme');
    expect(namespaceOf('telemetry')).toBe('');
  });

  it('collides by dots and underscores of the visible part, in one namespace', () => {
    expect(collisionKey('acme.a.b')).toBe(collisionKey('acme.a_b'));
    expect(collisionKey('acme.a.b')).not.toBe(collisionKey('globex.a.b'));
    expect(collisionKey('acme.b')).not.toBe(collisionKey('acme_b'));
    expect(collisionKey('acme.a-b')).not.toBe(collisionKey('acme.a.b'));
  });
});
