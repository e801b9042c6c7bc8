/**
 * What a decision costs for policies of several sizes and 100,000 callers: remembered (`cachedNs`),
 * not remembered (`coldUs`: Casbin decides over what the index finds; the caller was seen before, as
 * after the first request of a connection), the first of a caller (`firstUs`: cold, and what concerns
 * the caller is looked up), the first for a name that no rule speaks about (`missUs`), the first "on
 * any topic" (`anyUs`), for a listing of 10,000 topics (`listingMs`), and by stock Casbin over all rules (`casbinUs`, in a
 * process of its own; null where one decision takes too long). Needs a build.
 *
 *   npm run bench:authorize [-- --sizes 100,10000,1000000]
 *
 * The last line is one JSON object; times are medians of several rounds, in CPU time, so that a busy
 * machine does not blur them. Each size runs in a process of its own.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { newEnforcer, newModelFromString, StringAdapter } from 'casbin';
import { createCasbinAuthorizer } from '../dist/security/casbin-authorizer.js';
import { addPolicyFunctions } from '../dist/security/policy-functions.js';

const SELF = fileURLToPath(import.meta.url);
const MODEL = fileURLToPath(new URL('../policies/model.conf', import.meta.url));
const SIZES = '100,10000,1000000';
const ROUNDS = 7;
const PRINCIPALS = 100_000;
const FLEETS = 100;
const ROLES = 50;
const LISTED_TOPICS = 10_000;
/** Above this a decision of stock Casbin takes longer than a round. */
const CASBIN_RULES_MAX = 10_000;
const HOST = '10.1.2.3';
// biome-ignore lint/suspicious/noTemplateCurlyInString: a policy variable is meant literally
const VARIABLE = '${principal}';
const WINDOWS = ['daily/00:00-24:00', 'Mon-Fri/06:00-20:00', 'Sat+Sun/00:00-24:00'];

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

/** 40 % prefixed, 10 % deny, 20 % through a role or fleet, 5 % networks or times, 5 % variables. */
function rulesOf(count) {
  const random = randomFrom(count);
  return Array.from({ length: count }, () => {
    const through = random();
    let subject = `User:u${pick(random, PRINCIPALS)}`;
    if (through < 0.1) subject = `Fleet:f${pick(random, FLEETS)}`;
    else if (through < 0.2) subject = `Role:r${pick(random, ROLES)}`;
    const isVariable = random() < 0.05;
    const pattern = random() < 0.4 ? 'PREFIXED' : 'LITERAL';
    const number = pick(random, count);
    const own = isVariable ? `t${number}.${VARIABLE}` : `t${number}`;
    const name = pattern === 'PREFIXED' ? `${own}.` : `${own}.data`;
    const operation = random() < 0.5 ? 'READ' : 'WRITE';
    const limited = random();
    const host = limited < 0.025 ? '10.0.0.0/8' : '*';
    const isTimed = limited >= 0.025 && limited < 0.05;
    const when = isTimed ? WINDOWS[pick(random, WINDOWS.length)] : '*';
    const effect = random() < 0.1 ? 'deny' : 'allow';
    return { subject, pattern, name, operation, host, effect, when };
  });
}

function policyText(rules, isWhole) {
  const random = randomFrom(17);
  const lines = rules.map(({ subject, pattern, name, operation, host, effect, when }) => {
    const last = isWhole || when !== '*' ? `, ${when}` : '';
    return `p, ${subject}, acme, TOPIC, ${pattern}, ${name}, ${operation}, ${host}, ${effect}${last}`;
  });
  for (let user = 0; user < PRINCIPALS; user += 10) {
    lines.push(`g, User:u${user}, Role:r${roleOf(user)}, acme`);
  }
  lines.push(`g, Role:r${pick(random, ROLES)}, Role:above, acme`);
  return lines.join('\n');
}

const roleOf = (user) => (user / 10) % ROLES;

const principalOf = (index) => ({
  principalType: 'User',
  name: `u${index}`,
  tenant: 'acme',
  kind: 'device',
  fleet: `f${index % FLEETS}`,
  roles: [],
  authentication: 'mTLS',
  certificateSerial: '01',
  expiresAtMs: 0,
});

/** A caller whom the rule concerns. */
function callerOf({ subject }, random) {
  const number = Number(/[0-9]+$/.exec(subject)[0]);
  if (subject.startsWith('User:')) return number;
  if (subject.startsWith('Fleet:')) return number + FLEETS * pick(random, PRINCIPALS / FLEETS);
  return 10 * (number + ROLES * pick(random, PRINCIPALS / ROLES / 10));
}

const topic = (operation, resourceName) => ({ operation, resourceType: 'TOPIC', resourceName });

const CLUSTER = {
  operation: 'DESCRIBE',
  resourceType: 'CLUSTER',
  resourceName: 'kafka-cluster',
};

/** Random callers, each asking about what a random rule says of them. */
function questionsOf(rules, count) {
  const random = randomFrom(1);
  return Array.from({ length: count }, () => {
    const rule = rules[pick(random, rules.length)];
    const who = principalOf(callerOf(rule, random));
    const name = rule.name.replace(VARIABLE, who.name);
    const action = topic(rule.operation, rule.pattern === 'PREFIXED' ? `${name}more` : name);
    return { who, action };
  });
}

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** Nanoseconds of CPU for each of `count`, the median of the rounds; the first ones only warm up. */
function medianNs(count, run, prepare = () => {}) {
  const rounds = [];
  for (let round = -2; round < ROUNDS; round += 1) {
    prepare(round + 2);
    const start = process.cpuUsage();
    run(round + 2);
    const { user, system } = process.cpuUsage(start);
    if (round >= 0) rounds.push(((user + system) * 1_000) / count);
  }
  return median(rounds);
}

function measureCached(authorizer) {
  const who = principalOf(7);
  const actions = Array.from({ length: 64 }, (_, index) => topic('WRITE', `t${index}.data`));
  const count = 500_000;
  return medianNs(count, () => {
    for (let index = 0; index < count; index += 1) {
      authorizer.authorize(who, HOST, actions[index & 63]);
    }
  });
}

/** An address of its own for each question, so that no two are the same. */
const address = (index) => `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`;

/**
 * Every question is asked once. A change of the policy makes every caller a new one, which asks
 * something else first where it is to be known.
 */
function measureCold(authorizer, questions, isKnown) {
  const count = Math.floor(questions.length / (ROUNDS + 2));
  const run = (round) => {
    for (let index = round * count; index < (round + 1) * count; index += 1) {
      const { who, action } = questions[index];
      authorizer.authorize(who, address(index), action);
    }
  };
  return medianNs(count, run, (round) => {
    authorizer.setDynamicRules('acme', []);
    for (let index = round * count; isKnown && index < (round + 1) * count; index += 1) {
      authorizer.authorize(questions[index].who, address(index), CLUSTER);
    }
  });
}

function measureAny(authorizer, questions) {
  const count = Math.floor(questions.length / (ROUNDS + 2));
  const run = (round) => {
    for (let index = round * count; index < (round + 1) * count; index += 1) {
      authorizer.authorizeByResourceType(questions[index].who, HOST, 'WRITE', 'TOPIC');
    }
  };
  return medianNs(count, run, () => authorizer.setDynamicRules('acme', []));
}

/** What a Metadata request for all topics asks, of a caller that was not seen before. */
function measureListing(authorizer) {
  const actions = Array.from({ length: LISTED_TOPICS }, (_, n) => topic('DESCRIBE', `t${n}.data`));
  const run = (round) => {
    const who = principalOf(10 * round);
    for (const action of actions) authorizer.authorize(who, HOST, action);
  };
  return medianNs(1, run, () => authorizer.setDynamicRules('acme', []));
}

async function measureCasbin(rules) {
  const enforcer = await newEnforcer(newModelFromString(await readFile(MODEL, 'utf8')));
  await addPolicyFunctions(enforcer);
  enforcer.setAdapter(new StringAdapter(policyText(rules, true)));
  await enforcer.loadPolicy();
  const count = rules.length > 1_000 ? 5 : 200;
  const questions = questionsOf(rules, count);
  const ns = medianNs(count, () => {
    for (const { who, action } of questions) {
      const { operation, resourceType, resourceName } = action;
      const [sub, fleet] = [`User:${who.name}`, `Fleet:${who.fleet}`];
      const asked = [HOST, resourceType, resourceName, operation, Date.now()];
      enforcer.enforceSync(sub, fleet, 'acme', {}, ...asked);
    }
  });
  return { casbinUs: ns / 1_000 };
}

async function measure(rules) {
  const directory = mkdtempSync(join(tmpdir(), 'breakwater-bench-'));
  try {
    writeFileSync(join(directory, 'acme.csv'), `${policyText(rules, false)}\n# end\n`);
    const questions = questionsOf(rules, 18_000);
    rules.length = 0;
    const start = performance.now();
    const policy = { policyDirectory: directory, modelFile: MODEL, watch: false };
    const authorizer = await createCasbinAuthorizer(policy);
    const loadSeconds = (performance.now() - start) / 1_000;
    const rssMiB = process.memoryUsage().rss / 2 ** 20;
    const unknown = questions.map(({ who }, n) => ({ who, action: topic('READ', `none-${n}`) }));
    const allowed = questions.filter(({ who, action }) => {
      return authorizer.authorize(who, HOST, action).allowed;
    });
    const coldUs = measureCold(authorizer, questions, true) / 1_000;
    const firstUs = measureCold(authorizer, questions, false) / 1_000;
    const missUs = measureCold(authorizer, unknown, false) / 1_000;
    const anyUs = measureAny(authorizer, questions) / 1_000;
    const listingMs = measureListing(authorizer) / 1e6;
    const cachedNs = measureCached(authorizer);
    const allowedPart = allowed.length / questions.length;
    return {
      cachedNs,
      coldUs,
      firstUs,
      missUs,
      anyUs,
      listingMs,
      loadSeconds,
      rssMiB,
      allowedPart,
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const round = (value) => (typeof value === 'number' ? Number(value.toPrecision(4)) : value);

function inOwnProcess(what, size) {
  const child = spawnSync(process.execPath, [SELF, what, String(size)], { encoding: 'utf8' });
  if (child.status !== 0) throw new Error(child.stderr);
  return JSON.parse(child.stdout.trim().split('\n').at(-1));
}

function measureAll(sizes) {
  const results = [];
  for (const rules of sizes) {
    const { casbinUs } =
      rules > CASBIN_RULES_MAX ? { casbinUs: null } : inOwnProcess('--casbin', rules);
    const measured = { ...inOwnProcess('--one', rules), casbinUs };
    const rounded = Object.entries(measured).map(([key, value]) => [key, round(value)]);
    const result = { rules, principals: PRINCIPALS, ...Object.fromEntries(rounded) };
    console.log(
      `${rules} rules: remembered ${result.cachedNs} ns, cold ${result.coldUs} us, ` +
        `first of a caller ${result.firstUs} us, no rule ${result.missUs} us, any topic ${result.anyUs} us, ` +
        `${LISTED_TOPICS} topics listed in ${result.listingMs} ms, ` +
        `stock Casbin ${result.casbinUs ?? '-'} us; ` +
        `loaded in ${result.loadSeconds} s, ${result.rssMiB} MiB`,
    );
    results.push(result);
  }
  console.log(JSON.stringify({ results }));
}

const [what, size] = process.argv.slice(2);
if (what === '--one') console.log(JSON.stringify(await measure(rulesOf(Number(size)))));
else if (what === '--casbin') {
  console.log(JSON.stringify(await measureCasbin(rulesOf(Number(size)))));
} else measureAll((what === '--sizes' ? size : SIZES).split(',').map(Number));
