/**
 * What a decision costs: remembered, missed (Casbin over the candidates), for a caller that comes for
 * the first time, and by stock Casbin over all rules, for policies of several sizes. Each size runs in a process of its own. Needs a build.
 *
 *   node bench/authorize.mjs [--sizes 100,10000,100000]
 *
 * The last line is one JSON object; times are medians of several rounds, in CPU time, so that a busy
 * machine does not blur them.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { newEnforcer, newModelFromString, StringAdapter } from 'casbin';
import { createCasbinAuthorizer } from '../dist/security/casbin-authorizer.js';
import { addPolicyFunctions } from '../dist/security/policy-model.js';

const SELF = fileURLToPath(import.meta.url);
const MODEL = fileURLToPath(new URL('../policies/model.conf', import.meta.url));
const ROUNDS = 7;
const PRINCIPALS_MAX = 100_000;
const FLEETS = 100;
const ROLES = 50;
/** Stock Casbin is null above this: a decision takes longer than a round. */
const CASBIN_RULES_MAX = 10_000;
const HOST = '10.1.2.3';

/** A small generator of numbers (mulberry32), so that runs compare. */
function randomFrom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const pick = (random, count) => Math.floor(random() * count);

/** 40 % prefixed, 10 % deny, 20 % through a role or fleet, 5 % networks, 5 % variables. */
function policyText(rules, principals) {
  const random = randomFrom(rules);
  const lines = [];
  for (let index = 0; index < rules; index += 1) {
    const through = random();
    let subject = `User:u${pick(random, principals)}`;
    if (through < 0.1) subject = `Fleet:f${pick(random, FLEETS)}`;
    else if (through < 0.2) subject = `Role:r${pick(random, ROLES)}`;
    const variable = random() < 0.05;
    const prefixed = random() < 0.4;
    const own = variable ? '$' + '{principal}' : `t${pick(random, rules)}`;
    const name = prefixed ? `${own}.` : `${own}.data`;
    const operation = random() < 0.5 ? 'READ' : 'WRITE';
    const host = random() < 0.05 ? '10.0.0.0/8' : '*';
    const effect = random() < 0.1 ? 'deny' : 'allow';
    const pattern = prefixed ? 'PREFIXED' : 'LITERAL';
    lines.push(`p, ${subject}, acme, TOPIC, ${pattern}, ${name}, ${operation}, ${host}, ${effect}`);
  }
  for (let user = 0; user < principals; user += 10) {
    lines.push(`g, User:u${user}, Role:r${pick(random, ROLES)}, acme`);
  }
  return lines.join('\n');
}

const principalOf = (index) => ({
  principalType: 'User',
  name: `u${index}`,
  tenant: 'acme',
  kind: 'device',
  fleet: `f${index % FLEETS}`,
  authentication: 'mTLS',
  certificateSerial: '01',
  certificateExpiresAtMs: 0,
});

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

function medianNs(count, run) {
  const rounds = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const start = process.cpuUsage();
    run(round);
    const { user, system } = process.cpuUsage(start);
    rounds.push(((user + system) * 1_000) / count);
  }
  return median(rounds);
}

function measureCached(authorizer) {
  const who = principalOf(7);
  const actions = Array.from({ length: 64 }, (_, index) => ({
    operation: 'WRITE',
    resourceType: 'TOPIC',
    resourceName: `t${index}.data`,
  }));
  const count = 500_000;
  const run = () => {
    for (let index = 0; index < count; index += 1) {
      authorizer.authorize(who, HOST, actions[index & 63]);
    }
  };
  run();
  return medianNs(count, run);
}

/** Asks about what a rule names, so that Casbin has something to decide. */
function questionsOf(text) {
  const questions = [];
  for (const line of text.split('\n')) {
    const [, subject, , , pattern, name, operation] = line.split(', ');
    if (operation === undefined) continue;
    const kind = subject.slice(0, subject.indexOf(':'));
    const number = Number(/[0-9]+$/.exec(subject)[0]);
    const who = principalOf(kind === 'User' ? number : number % FLEETS);
    const resolved = name.replace('$' + '{principal}', who.name);
    const resourceName = pattern === 'PREFIXED' ? `${resolved}more` : resolved;
    questions.push({ who, action: { operation, resourceType: 'TOPIC', resourceName } });
  }
  return questions;
}

/** An address that was not seen before makes a decision a miss; what concerns the caller is known. */
const address = (index) => `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`;

function measureMiss(authorizer, questions) {
  const random = randomFrom(1);
  const asked = Array.from({ length: 500 }, () => questions[pick(random, questions.length)]);
  const count = 5_000;
  const run = (round) => {
    for (let index = 0; index < count; index += 1) {
      const { who, action } = asked[index % asked.length];
      authorizer.authorize(who, address(round * count + index), action);
    }
  };
  run(ROUNDS);
  run(ROUNDS + 1);
  return medianNs(count, run);
}

/** Of a caller that comes for the first time, the rules have to be found as well. */
function measureFirst(authorizer, questions) {
  const random = randomFrom(2);
  const asked = Array.from({ length: 1_000 }, () => questions[pick(random, questions.length)]);
  const run = () => {
    for (const { who, action } of asked) authorizer.authorize({ ...who }, HOST, action);
  };
  run();
  const rounds = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    // A change of the policy makes every caller a new one.
    authorizer.setDynamicRules('acme', []);
    const start = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(start);
    rounds.push(((user + system) * 1_000) / asked.length);
  }
  return median(rounds);
}

async function measureCasbin(text, rules, principals) {
  if (rules > CASBIN_RULES_MAX) return null;
  const enforcer = await newEnforcer(newModelFromString(await readFile(MODEL, 'utf8')));
  await addPolicyFunctions(enforcer);
  enforcer.setAdapter(new StringAdapter(text));
  await enforcer.loadPolicy();
  const random = randomFrom(3);
  const count = rules > 1_000 ? 5 : 200;
  const ns = medianNs(count, () => {
    for (let index = 0; index < count; index += 1) {
      const who = pick(random, principals);
      const name = `t${pick(random, rules)}.data`;
      enforcer.enforceSync(
        `User:u${who}`,
        `Fleet:f${who % FLEETS}`,
        'acme',
        HOST,
        'TOPIC',
        name,
        'WRITE',
      );
    }
  });
  return ns / 1_000;
}

async function measure(rules) {
  const principals = Math.min(PRINCIPALS_MAX, Math.max(10, Math.floor(rules / 4)));
  const text = policyText(rules, principals);
  const directory = mkdtempSync(join(tmpdir(), 'breakwater-bench-'));
  try {
    writeFileSync(join(directory, 'acme.csv'), `${text}\n# end\n`);
    const start = performance.now();
    const authorizer = await createCasbinAuthorizer({
      policyDirectory: directory,
      modelFile: MODEL,
      watch: false,
    });
    const loadSeconds = (performance.now() - start) / 1_000;
    const rssMiB = process.memoryUsage().rss / 2 ** 20;
    const questions = questionsOf(text);
    const coldUs = measureMiss(authorizer, questions) / 1_000;
    const firstUs = measureFirst(authorizer, questions) / 1_000;
    const cachedNs = measureCached(authorizer);
    const casbinUs = await measureCasbin(text, rules, principals);
    return { rules, principals, cachedNs, coldUs, firstUs, casbinUs, loadSeconds, rssMiB };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const round = (value) => (typeof value === 'number' ? Number(value.toPrecision(4)) : value);

if (process.argv[2] === '--one') {
  const result = await measure(Number(process.argv[3]));
  const rounded = Object.entries(result).map(([key, value]) => [key, round(value)]);
  console.log(JSON.stringify(Object.fromEntries(rounded)));
} else {
  const option = process.argv.indexOf('--sizes');
  const sizes = option === -1 ? '100,10000,100000' : process.argv[option + 1];
  const results = [];
  for (const size of sizes.split(',')) {
    const child = spawnSync(process.execPath, [SELF, '--one', size], { encoding: 'utf8' });
    if (child.status !== 0) throw new Error(child.stderr);
    const result = JSON.parse(child.stdout.trim().split('\n').at(-1));
    console.log(
      `${result.rules} rules, ${result.principals} callers: remembered ${result.cachedNs} ns, ` +
        `miss ${result.coldUs} us, first of a caller ${result.firstUs} us, ` +
        `stock Casbin ${result.casbinUs ?? '-'} us; loaded in ${result.loadSeconds} s, ${result.rssMiB} MiB`,
    );
    results.push(result);
  }
  console.log(JSON.stringify({ results }));
}
