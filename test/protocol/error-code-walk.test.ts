import { describe, expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { compileErrorCodeWalk } from '../../src/protocol/error-code-walk.ts';
import { apiSchema } from '../../src/protocol/schemas/index.ts';
import { leafFields } from '../../src/protocol/walk-fields.ts';

const codesIn = (key: number, body: object): number[] => {
  const codes: number[] = [];
  compileErrorCodeWalk(apiSchema(key)!.response)(body, (code) => codes.push(code));
  return codes;
};

describe('the error codes of an answer', () => {
  it('are found at the top and in what is nested', () => {
    const partition = (errorCode: number) => ({ index: 0, errorCode, recordErrors: [] });
    const responses = [
      { name: 'a', partitionResponses: [partition(0), partition(3)] },
      { name: 'b', partitionResponses: [partition(29), partition(29)] },
    ];
    expect(codesIn(ApiKey.Produce, { responses })).toEqual([3, 29, 29]);
    expect(codesIn(ApiKey.Heartbeat, { errorCode: 25 })).toEqual([25]);
    expect(codesIn(ApiKey.Heartbeat, { errorCode: 0 })).toEqual([]);
  });

  it('are not missed where an answer leaves fields to their defaults, or null', () => {
    expect(codesIn(ApiKey.Produce, {})).toEqual([]);
    expect(codesIn(ApiKey.Produce, { responses: null })).toEqual([]);
  });

  it('are all that the tables of the answers have', () => {
    for (const key of Object.values(ApiKey)) {
      const schema = apiSchema(key);
      if (schema === undefined) continue;
      const named = leafFields(schema.response)
        .filter(({ path, kind }) => kind === 'int16' && /error_?code$/i.test(path))
        .map(({ path }) => path);
      // One answer with a different code at each of them.
      const body: Record<string, unknown> = {};
      for (const [index, path] of named.entries()) put(body, path.split('.'), index + 1);
      expect([schema.response.name, codesIn(key, body).sort((a, b) => a - b)]).toEqual([
        schema.response.name,
        named.map((_path, index) => index + 1),
      ]);
    }
  });
});

/** Sets a field at `topics[].partitions[].errorCode`, in arrays of one element. */
function put(target: Record<string, unknown>, [step, ...rest]: string[], value: number): void {
  const name = step!.replace('[]', '');
  if (rest.length === 0) {
    target[name] = value;
    return;
  }
  const isArray = step!.endsWith('[]');
  target[name] ??= isArray ? [{}] : {};
  const inner = isArray ? (target[name] as object[])[0] : target[name];
  put(inner as Record<string, unknown>, rest, value);
}
