/** What Java and Kafka's own mapper make of the same names and rules. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SslPrincipalMapper } from '../../../src/security/mapping/ssl-principal-mapper.ts';
import { testDirectory } from '../../pki/temporary-pki.ts';
import { runJava } from '../../tools/java.ts';
import { projectRoot } from '../../tools/project-root.ts';
import { testSeed } from '../../tools/test-seed.ts';
import { describeRequiring } from '../../tools/tool-detection.ts';
import { MAPPINGS, nameOf, ODD_NAMES, relative, rendered } from './names.ts';

const NO_RULE = '-';
const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64');

/** One answer a line. */
async function asked(lines: readonly string[]): Promise<string[]> {
  const file = join(testDirectory('names'), 'questions');
  writeFileSync(file, lines.map((line) => `${line}\n`).join(''));
  const oracle = join(projectRoot, 'test/security/mapping/NameOracle.java');
  const run = await runJava(oracle, [file], { timeoutMs: 120_000 });
  expect(run.code, run.text).toBe(0);
  const answers = run.stdout.toString('utf8').trimEnd().split('\n');
  expect(answers).toHaveLength(lines.length);
  return answers;
}

const textOf = (answer: string): string => Buffer.from(answer, 'base64').toString('utf8');

describeRequiring(['java-tools'], "Java's names and Kafka's rules", () => {
  it('X500Principal.getName() writes odd and random names as we do', async () => {
    const oids = [
      '2.5.4.3',
      '2.5.4.10',
      '2.5.4.11',
      '2.5.4.5',
      '0.9.2342.19200300.100.1.1',
      '1.2.3.4',
    ];
    const value = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 12 }),
      fc.stringMatching(/^[ #,+"\\<>;=a\0]{0,8}$/),
    );
    const pair = fc.tuple(fc.constantFrom(...oids), value);
    const names = fc.array(fc.uniqueArray(pair, { minLength: 1, maxLength: 3, selector: String }), {
      minLength: 1,
      maxLength: 4,
    });
    const random = fc
      .sample(names, { numRuns: 1500, seed: testSeed('java-names', 22_53) })
      .map((parts) => nameOf(...parts.map((pairs) => relative(...pairs))));
    const all = [...ODD_NAMES.map(([name]) => name), ...random];
    const answers = await asked(all.map((name) => `name ${name.toString('hex')}`));
    expect(all.map(rendered)).toEqual(answers.map(textOf));
  });

  it('SslPrincipalMapper gives the same names', async () => {
    const fixed = MAPPINGS.map(([rules, name]) => [rules, name] as const);
    const unit = fc.constantFrom(
      'CN=',
      '(.*?)',
      '(.*)',
      ',',
      '.*',
      '([a-z]+)',
      '[^,]+',
      '(a|ab)',
      'OU?',
      '=',
    );
    const part = fc.constantFrom('$1', '$2', '$0', '$9', '$11', 'x', '-', '@', String.raw`\$`);
    const rule = fc
      .tuple(
        fc.array(unit, { minLength: 1, maxLength: 6 }),
        fc.array(part, { maxLength: 3 }),
        fc.constantFrom('', 'L', 'U'),
      )
      .map(([pattern, to, letters]) => `RULE:${pattern.join('')}/${to.join('')}/${letters}`);
    const name = fc.stringMatching(/^CN=[abAB,]{0,6},OU?=[abAB=]{0,6}$/);
    const random = fc
      .sample(fc.tuple(fc.array(rule, { minLength: 1, maxLength: 3 }), name), {
        numRuns: 3000,
        seed: testSeed('java-mapping', 371),
      })
      .map(([rules, subject]) => [rules.join(', '), subject] as const);
    const all = [...fixed, ...random];
    const answers = await asked(
      all.map(([rules, subject]) => `map ${base64(rules)} ${base64(subject)}`),
    );
    const verdicts = all.map(([rules, subject], at) => {
      const kafka = answers[at]!;
      let ours: string | null | undefined;
      try {
        ours = new SslPrincipalMapper(rules).nameOf(subject);
      } catch {
        return 'refused'; // Ours is refused when it is given; Kafka may only fail once it applies.
      }
      expect([rules, subject, ours === null ? NO_RULE : base64(ours)]).toEqual([
        rules,
        subject,
        kafka,
      ]);
      return ours === null ? 'none' : 'named';
    });
    const count = (verdict: string): number => verdicts.filter((one) => one === verdict).length;
    expect(count('named')).toBeGreaterThan(500);
    expect(count('none')).toBeGreaterThan(200);
    // No rule of the fixed ones is refused.
    expect(verdicts.slice(0, fixed.length)).not.toContain('refused');
  }, 120_000);
});
