import { describe, expect, test } from 'vitest';
import { describeRequiring, hasTool, missingToolsNote } from './tool-detection.ts';

describe('tool detection', () => {
  test('a tool that is here leaves no note', () => {
    expect(hasTool('built-broker')).toBe(missingToolsNote(['built-broker']) === undefined);
  });
  test('a missing tool is named together with what to do', () => {
    const before = process.env.BREAKWATER_KAFKA_ERRORS;
    process.env.BREAKWATER_KAFKA_ERRORS = '/nowhere/errors.json';
    expect(missingToolsNote(['kafka-errors'])).toMatch(/needs kafka-errors \(BREAKWATER_KAFKA/);
    if (before === undefined) delete process.env.BREAKWATER_KAFKA_ERRORS;
    else process.env.BREAKWATER_KAFKA_ERRORS = before;
  });
});

describeRequiring([], 'a suite that requires nothing', () => {
  test('runs', () => expect(true).toBe(true));
});
