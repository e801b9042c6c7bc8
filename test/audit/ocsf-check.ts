/**
 * Checks an event against fixtures/ocsf-schema.json, an extract of OCSF's own data: required
 * attributes, unknown ones, types, enumerations and the constraints of objects.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Attribute {
  readonly requirement?: string;
  readonly type?: string;
  readonly is_array?: boolean;
  readonly enum?: Readonly<Record<string, string>>;
}

interface Shape {
  readonly attributes: Readonly<Record<string, Attribute>>;
  readonly constraints: { readonly at_least_one?: readonly string[] };
}

interface OcsfClass extends Shape {
  readonly category_uid: number;
  readonly caption: string;
}

const schema = JSON.parse(
  readFileSync(join(import.meta.dirname, 'fixtures', 'ocsf-schema.json'), 'utf8'),
) as {
  readonly classes: Readonly<Record<string, OcsfClass>>;
  readonly objects: Readonly<Record<string, Shape>>;
};

type Json = Readonly<Record<string, unknown>>;

export function ocsfProblems(event: Json): string[] {
  const ofClass = schema.classes[String(event.class_uid)];
  if (ofClass === undefined) return [`no class ${String(event.class_uid)}`];
  const problems = problemsOf(event, ofClass, '');
  if (event.category_uid !== ofClass.category_uid) problems.push('category_uid');
  if (event.class_name !== ofClass.caption) problems.push('class_name');
  const type = Number(event.class_uid) * 100 + Number(event.activity_id);
  if (event.type_uid !== type) problems.push(`type_uid must be ${type}`);
  if (event.activity_id === 99 && event.activity_name === undefined) problems.push('activity_name');
  return problems;
}

function problemsOf(value: Json, shape: Shape, at: string): string[] {
  const problems = Object.entries(shape.attributes)
    .filter(([name, { requirement }]) => requirement === 'required' && value[name] === undefined)
    .map(([name]) => `${at}${name} is required`);
  const some = shape.constraints.at_least_one;
  if (some !== undefined && !some.some((name) => value[name] !== undefined)) {
    problems.push(`${at} needs one of ${some.join(', ')}`);
  }
  for (const [name, item] of Object.entries(value)) {
    const attribute = shape.attributes[name];
    if (attribute === undefined) problems.push(`${at}${name} is not known`);
    else problems.push(...attributeProblems(item, attribute, `${at}${name}`));
  }
  return problems;
}

function attributeProblems(value: unknown, attribute: Attribute, at: string): string[] {
  if (attribute.is_array === true) {
    if (!Array.isArray(value)) return [`${at} must be an array`];
    return value.flatMap((item) => attributeProblems(item, { ...attribute, is_array: false }, at));
  }
  if (attribute.enum !== undefined && !Object.hasOwn(attribute.enum, String(value))) {
    return [`${at} may not be ${String(value)}`];
  }
  const { type = '' } = attribute;
  // `unmapped` is an object of any shape.
  if (type === 'object')
    return typeof value === 'object' && value !== null ? [] : [`${at}: ${type}`];
  const shape = schema.objects[type];
  if (shape !== undefined) return problemsOf(value as Json, shape, `${at}.`);
  const isRight = TYPES[type];
  if (isRight === undefined) return [`${at}: the extract has no ${type}`];
  return isRight(value) ? [] : [`${at} is no ${type}`];
}

const isText = (value: unknown): boolean => typeof value === 'string';
const isInteger = (value: unknown): boolean => Number.isSafeInteger(value);

const TYPES: Readonly<Record<string, (value: unknown) => boolean>> = {
  string_t: isText,
  username_t: isText,
  ip_t: (value) => /^[0-9a-fA-F.:]+$/.test(String(value)),
  port_t: (value) => isInteger(value) && Number(value) >= 0 && Number(value) <= 65_535,
  integer_t: isInteger,
  long_t: isInteger,
  timestamp_t: isInteger,
  boolean_t: (value) => typeof value === 'boolean',
};
