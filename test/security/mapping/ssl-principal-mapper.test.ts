import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PkiError } from '../../../src/base/errors.ts';
import { compilePattern } from '../../../src/security/mapping/java-pattern.ts';
import { findFrom, MatchBudget } from '../../../src/security/mapping/pattern-machine.ts';
import { SslPrincipalMapper } from '../../../src/security/mapping/ssl-principal-mapper.ts';
import { MAPPINGS, nameOf, ODD_NAMES, relative, rendered } from './names.ts';

describe('a subject in the form of RFC 2253', () => {
  it.each(ODD_NAMES)('%# is written as Java writes it', (name, text) => {
    expect(rendered(name)).toBe(text);
  });

  it('of damaged DER is none, whatever octet is changed', () => {
    const name = nameOf(relative(['2.5.4.3', 'pump-1'], ['2.5.4.10', 'Acme']));
    for (let length = 3; length < name.length; length++) {
      expect(() => rendered(name.subarray(0, length)), String(length)).toThrow(Error);
    }
    for (let at = 1; at < name.length; at++) {
      for (const octet of [0, 0x7f, 0x80, 0x84, 0xff]) {
        const changed = Buffer.from(name);
        changed[at] = octet;
        try {
          expect(typeof rendered(changed)).toBe('string');
        } catch (error) {
          expect(error).toBeInstanceOf(PkiError);
        }
      }
    }
  });
});

describe('mapping rules', () => {
  it.each(MAPPINGS)('%s of %s', (rules, name, expected) => {
    expect(new SslPrincipalMapper(rules).nameOf(name)).toBe(expected);
  });

  it.each([
    ['', 'no mapping rule'],
    ['DEFAULT', 'no mapping rule'],
    ['RULE:a', 'is no mapping rule'],
    ['RULE:a/b', 'is no mapping rule'],
    ['RULE:a/b/X', 'is no mapping rule'],
    ['RULE:a/b/LU', 'is no mapping rule'],
    ['RULE:a/b/ RULE:c/d/', 'is no mapping rule'],
    ['rule:a/b/', 'is no mapping rule'],
    ['RULE:a/$1/', 'has no group 1'],
    ['RULE:a/$x/', 'followed by no number'],
    ['RULE:(a)/$' + '{n}/', 'followed by no number'],
    ['RULE:(a/b/', 'not closed'],
    ['RULE:a)/b/', 'closes nothing'],
    [String.raw`RULE:(a)\1/b/`, String.raw`\\1`],
    ['RULE:(?=a)a/b/', '(?:'],
    ['RULE:(?i)a/b/', '(?:'],
    ['RULE:a++/b/', 'possessive'],
    ['RULE:(a*)*/b/', 'may be empty'],
    ['RULE:(a|)+/b/', 'may be empty'],
    [String.raw`RULE:\bx/b/`, String.raw`\\b`],
    ['RULE:[a[b]]/b/', 'another class'],
    ['RULE:[a&&b]/b/', 'another class'],
    ['RULE:a{1000}/b/', 'number of times'],
    ['RULE:(a{100}){100}/b/', 'too large'],
    [`RULE:${'('.repeat(30)}${')'.repeat(30)}/b/`, 'nested too deep'],
    [`RULE:${'a'.repeat(3000)}/b/`, 'at most 2048'],
    [Array(17).fill('RULE:a/b/').join(','), 'more than 16'],
    ['RULE:a\n/b/', 'control character'],
  ])('%j are refused, with the reason', (rules, reason) => {
    expect(() => new SslPrincipalMapper(rules)).toThrow(PkiError);
    expect(() => new SslPrincipalMapper(rules)).toThrow(reason);
  });

  it('that would take a backtracking engine for ever are over in no time', () => {
    const costly = [
      'RULE:CN=(a+)+b/$1/',
      'RULE:CN=(a|aa)+b/$1/',
      'RULE:(.*,)(.*,)(.*,)(.*,)(.*,)(.*,)(.*,)(.*,)b/$1/',
      'RULE:CN=(?:a|a|a|a|a|a)+(?:a|a|a|a|a)+b/x/',
    ];
    for (const rules of costly) {
      const startedAtMs = performance.now();
      expect(new SslPrincipalMapper(rules).nameOf(`CN=${'a'.repeat(200)},,,,,,,,`)).toBeNull();
      expect(performance.now() - startedAtMs, rules).toBeLessThan(250);
    }
  });

  it('that are large and meet a long name end by their budget', () => {
    const rules = `RULE:${'.*a'.repeat(120)}b.*/x/`;
    const startedAtMs = performance.now();
    expect(() => new SslPrincipalMapper(rules).nameOf('a'.repeat(512))).toThrow('takes too long');
    expect(performance.now() - startedAtMs).toBeLessThan(500);
  });

  it('find what the engine of JavaScript finds, for random patterns and texts', () => {
    const unit = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', 'ab');
    const pattern = fc.letrec<{ node: string }>((tie) => ({
      node: fc.oneof(
        { maxDepth: 4 },
        unit,
        fc
          .tuple(unit, fc.constantFrom('*', '+', '?', '*?', '+?', '??', '{1,2}'))
          .map((p) => p.join('')),
        fc.tuple(tie('node'), tie('node')).map((parts) => parts.join('')),
        fc.tuple(tie('node'), tie('node')).map(([a, b]) => `(?:${a}|${b})`),
        tie('node').map((inside) => `(${inside})`),
        tie('node').map((inside) => `(?:a${inside})+`),
      ),
    })).node;
    const text = fc.stringMatching(/^[abc]{0,12}$/);
    fc.assert(
      fc.property(pattern, text, (source, subject) => {
        const found = findFrom(
          compilePattern(source),
          Array.from(subject, (character) => character.codePointAt(0)!),
          0,
          new MatchBudget(1_000_000),
        );
        const expected = new RegExp(source, 'u').exec(subject);
        const span = expected && [expected.index, expected.index + expected[0].length];
        expect(found?.slice(0, 2) ?? null).toEqual(span);
      }),
      { numRuns: 2000 },
    );
  });
});
