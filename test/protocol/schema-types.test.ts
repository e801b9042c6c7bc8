/**
 * What the compiler must refuse in a table, and the types that follow from one. Checked by
 * `npm run typecheck`: an expected error that does not occur is itself an error there.
 */
import { expectTypeOf, test } from 'vitest';
import {
  array,
  brokerId,
  bytes,
  embed,
  type Infer,
  type Init,
  int32,
  message,
  records,
  string,
  struct,
  topicName,
  uuid,
} from '../../src/protocol/schema.ts';
import type { ProduceRequest } from '../../src/protocol/schemas/00-produce.ts';
import type { RequestOf, ResponseInit } from '../../src/protocol/schemas/index.ts';

const inner = struct({ id: int32('0+') });

const sample = message(
  'Sample',
  { versions: '0-3', flexible: '2+' },
  {
    name: topicName('0+'),
    note: string('1+', { nullable: '1+', default: null }),
    id: uuid('2+'),
    brokers: array('0+', brokerId()),
    list: array('0+', inner, { nullable: '1+' }),
    one: embed('1+', inner),
    perhaps: embed('1+', inner, { nullable: '1+', default: null }),
    data: records('0+', { nullable: '0+' }),
  },
);

test('decoded types follow from the table', () => {
  expectTypeOf<Infer<typeof sample>>().toEqualTypeOf<{
    name: string;
    note: string | null;
    id: string;
    brokers: number[];
    list: { id: number }[] | null;
    one: { id: number };
    perhaps: { id: number } | null;
    data: Buffer | null;
  }>();
  expectTypeOf<RequestOf<0>>().toEqualTypeOf<{ [K in keyof ProduceRequest]: ProduceRequest[K] }>();
});

test('encoding takes any part of it, at any depth', () => {
  expectTypeOf<{ list: readonly { id?: number }[] }>().toExtend<Init<typeof sample>>();
  expectTypeOf<Infer<typeof sample>>().toExtend<Init<typeof sample>>();
  expectTypeOf<{ name: null }>().not.toExtend<Init<typeof sample>>();
  expectTypeOf<{ unknown: 1 }>().not.toExtend<Init<typeof sample>>();
  expectTypeOf<{ responses: [{ name: 't' }] }>().toExtend<ResponseInit<0>>();
});

test('mistakes in a table do not compile', () => {
  // @ts-expect-error a range that runs backwards
  int32('5-3');
  // @ts-expect-error no range
  int32('x');
  // @ts-expect-error a version beyond all that Kafka has
  int32('0-99');
  // @ts-expect-error a default of another type
  int32('0+', { default: 'one' });
  // @ts-expect-error a null default without nullable
  string('0+', { default: null });
  // @ts-expect-error a number is never null
  int32('0+', { nullable: '0+' });
  // @ts-expect-error a null default without nullable, of an array
  array('0+', int32(), { default: null });
  // @ts-expect-error a null default without nullable, of a struct
  embed('0+', inner, { default: null });
  // @ts-expect-error bytes are no text
  bytes('0+', { default: 'text' });
  // @ts-expect-error records are nullable in all of Kafka's messages
  records('0+');
  // @ts-expect-error a mark that does not exist
  string('0+', { ignore: true });
});
