/** Lists for a bulk issue: what is read, and what is refused before anything is made. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PkiError } from '../../src/base/errors.ts';
import { parseDeviceList } from '../../src/pki/device-list.ts';

const parse = (text: string) => parseDeviceList(text, 'default');
const device = (name: string, fleet = 'default') => ({ kind: 'device', name, fleet });
const service = (name: string) => ({ kind: 'service', name, fleet: null });

describe('a list', () => {
  it.each([
    ['device\npump-1\npump-2\n', [device('pump-1'), device('pump-2')]],
    [
      'device,fleet\r\npump-1,plant-a\r\npump-2,\r\n',
      [device('pump-1', 'plant-a'), device('pump-2')],
    ],
    ['\uFEFFfleet,device\n"plant-a","pump-1"', [device('pump-1', 'plant-a')]],
    ['device,service\npump-1,\n,billing\n', [device('pump-1'), service('billing')]],
    ['device\n\npump-1\n\n', [device('pump-1')]],
    [
      '{"device":"a"}\n\n{"service":"b"}\n{"device":"c","fleet":"f"}',
      [device('a'), service('b'), device('c', 'f')],
    ],
  ])('%j is read', (text, entries) => {
    expect(parse(text)).toEqual(entries);
  });

  it.each([
    ['', /must name the columns/],
    ['device\n', /names nobody/],
    ['name\npump-1\n', /"name" is none/],
    ['device,device\na,b\n', /stands there twice/],
    ['device,fleet\npump-1\n', /line 2: 1 fields where the first line names 2/],
    ['device\n../x\n', /line 2: "..\/x" is no valid device name/],
    ['device\na\n"/etc/passwd"\n', /line 3: "\/etc\/passwd" is no valid/],
    ['device\n"a\nb"\nc\n', /line 2: "a\\nb" is no valid/],
    ['device\na\u0000b\n', /line 2: "a\\u0000b" is no valid/],
    ['device\n\u001b[2Jx\n', /line 2: "\\u001b\[2Jx" is no valid/],
    ['device\n.hidden\n', /no valid device name/],
    ['device\n-rf\n', /no valid device name/],
    ['device\na\nb\na\n', /line 4: a stands in line 2 already/],
    ['device,service\na,\n,a\n', /line 3: a stands in line 2 already/],
    ['device,service\na,b\n', /line 2: name either a device or a service/],
    ['device,fleet\na,../f\n', /line 2: "..\/f" is no valid fleet name/],
    ['service,fleet\na,f\n', /a service is in no fleet/],
    ['device\n"a"b\n', /quotation mark/],
    ['device\n"a\n', /quotation mark/],
    ['{"device":"a"}\n{"device":', /line 2: not JSON/],
    ['{"device":"a"}\n["b"]', /line 2: not a JSON object/],
    ['{"device":1}', /line 1: "device": use the keys/],
    ['{"device":"a","ca":"true"}', /line 1: "ca": use the keys/],
    ['{"device":"a","__proto__":{"x":1}}', /"__proto__": use the keys/],
  ])('%j is refused', (text, problem) => {
    expect(() => parse(text)).toThrow(PkiError);
    expect(() => parse(text)).toThrow(problem);
  });

  it('names each wrong line, and counts those beyond the first ten', () => {
    const text = `device\n${'a b\n'.repeat(15)}`;
    expect(() => parse(text)).toThrow(
      /^nothing was issued:\nline 2: [\s\S]*line 11: .*\nand 5 more$/,
    );
  });

  it('reads back what RFC 4180 writes, and refuses any other text in words', () => {
    const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,20}$/);
    const cell = fc.tuple(name, fc.boolean()).map(([text, quote]) => ({ text, quote }));
    fc.assert(
      fc.property(fc.uniqueArray(cell, { selector: ({ text }) => text, minLength: 1 }), (cells) => {
        const lines = cells.map(({ text, quote }) => (quote ? `"${text}"` : text));
        const names = parse(['device', ...lines].join('\n')).map((entry) => entry.name);
        expect(names).toEqual(cells.map(({ text }) => text));
      }),
      { verbose: 1 },
    );
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        try {
          parse(`device,fleet\n${text}`);
        } catch (error) {
          expect(error).toBeInstanceOf(PkiError);
        }
      }),
      { verbose: 1 },
    );
  });
});
