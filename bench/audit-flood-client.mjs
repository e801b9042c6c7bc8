/**
 * A client of bench/audit-flood.mjs, in a process of its own. The victim: records at a steady pace
 * over one connection and their arrival over another, denials of its own and new connections beside
 * it, each of them counted. The flood: connections of many principals that ask for what they may not
 * have, five requests of each under way, and strangers whose handshakes fail.
 *
 * Options come as one JSON argument; what happened goes back over IPC.
 */
import { readFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, createSecureContext } from 'node:tls';
import { decodeResponse, encodeRequest, responseCorrelationId } from '../dist/protocol/headers.js';
import { readRecords } from '../dist/protocol/records/record.js';
import { batchSizeBytes, recordsSection } from '../dist/protocol/records/record-batch.js';
import { buildRecordBatch } from '../dist/protocol/records/record-batch-builder.js';

const options = JSON.parse(process.argv[2]);
const { port, niceness } = options;
if (niceness !== undefined) setPriority(niceness);
const ca = readFileSync(options.ca);

const [PRODUCE, FETCH, METADATA, API_VERSIONS] = [0, 1, 3, 18];
const REFUSED = 29;
const FLOOD_ADDRESS = '127.0.0.2';
const STRANGER_NETWORK = '127.3.0.';
const NAMES_IN_A_REQUEST = 20;
const UNDER_WAY = 5;
const VICTIM_DENIAL_MS = 200;
const VICTIM_CONNECTION_MS = 500;
const VICTIM_PARTITION = 0;

const contextOf = (person) =>
  createSecureContext({
    ca,
    ...(person !== null && {
      cert: readFileSync(`${person}.crt`),
      key: readFileSync(`${person}.key`),
    }),
  });

function dial(secureContext, localAddress) {
  return new Promise((resolve, reject) => {
    const raw = connectTcp({ host: '127.0.0.1', port, localAddress });
    const socket = connectTls({ socket: raw, secureContext, checkServerIdentity: () => undefined });
    raw.once('error', reject);
    socket.once('error', reject);
    socket.once('secureConnect', () => resolve(socket));
  });
}

/** Requests by correlation id over one connection. */
class Client {
  #socket;
  #rest = Buffer.alloc(0);
  #waiting = new Map();
  #next = 1;
  isClosed = false;

  constructor(socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => this.#take(chunk));
    socket.on('error', () => {});
    socket.on('close', () => {
      this.isClosed = true;
      for (const { reject } of this.#waiting.values()) reject(new Error('closed'));
    });
  }

  call(apiKey, apiVersion, body) {
    const correlationId = this.#next++;
    const chunks = encodeRequest({ apiKey, apiVersion, correlationId, clientId: 'flood', body });
    return new Promise((resolve, reject) => {
      if (this.isClosed) return reject(new Error('closed'));
      const done = (frame) => resolve(decodeResponse({ apiKey, apiVersion, frame }).body);
      this.#waiting.set(correlationId, { resolve: done, reject });
      this.#socket.write(Buffer.concat(chunks));
    });
  }

  close() {
    this.#socket.destroy();
  }

  #take(chunk) {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= 4) {
      const end = 4 + this.#rest.readInt32BE(0);
      if (this.#rest.length < end) return;
      const frame = this.#rest.subarray(4, end);
      this.#rest = this.#rest.subarray(end);
      const id = responseCorrelationId(frame, 0, frame.length);
      this.#waiting.get(id)?.resolve(frame);
      this.#waiting.delete(id);
    }
  }
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function victim() {
  const { certs, everyMs, label } = options;
  const service = contextOf(join(certs, 'globex', 'service-1'));
  const device = contextOf(join(certs, 'globex', 'device-1'));
  let connected = 0;
  const connect = async (context) => {
    const client = new Client(await dial(context));
    connected += 1;
    return client;
  };
  const [sender, receiver, denied] = [
    await connect(service),
    await connect(service),
    await connect(device),
  ];
  const { topics } = await sender.call(METADATA, 12, { topics: [{ name: 'telemetry' }] });
  const { topicId } = topics[0];
  const sentMs = new Map();
  const tookMs = [];
  let failed = 0;
  let isOver = false;

  let fetchOffset = (
    await receiver.call(2, 7, {
      replicaId: -1,
      topics: [{ name: 'telemetry', partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
    })
  ).topics[0].partitions[0].offset;
  const receiving = (async () => {
    while (!isOver || sentMs.size > 0) {
      const answer = await receiver.call(FETCH, 13, {
        maxWaitMs: 500,
        minBytes: 1,
        topics: [
          {
            topicId,
            partitions: [
              { partition: VICTIM_PARTITION, fetchOffset, partitionMaxBytes: 1_000_000 },
            ],
          },
        ],
      });
      const nowMs = performance.now();
      const batches = answer.responses[0]?.partitions[0]?.records ?? Buffer.alloc(0);
      for (let at = 0; at < batches.length; at += batchSizeBytes(batches, at)) {
        for (const { value, offset } of readRecords(batches, at, recordsSection(batches, at))) {
          const id = value.subarray(0, 16).toString('latin1').trim();
          const beganMs = sentMs.get(id);
          if (beganMs !== undefined) tookMs.push(nowMs - beganMs);
          sentMs.delete(id);
          fetchOffset = offset + 1;
        }
      }
    }
  })();

  let sequence = 0;
  const send = () => {
    const id = `${label}-${sequence++}`;
    const value = Buffer.alloc(256, '.');
    value.write(id.padEnd(16), 'latin1');
    const records = buildRecordBatch([{ timestampMs: Date.now(), key: null, value }]);
    sentMs.set(id, performance.now());
    const partitionData = [{ index: VICTIM_PARTITION, records }];
    const body = { acks: -1, timeoutMs: 30_000, topicData: [{ topicId, partitionData }] };
    sender
      .call(PRODUCE, 13, body)
      .then(({ responses }) => {
        if (responses[0].partitionResponses[0].errorCode !== 0) throw new Error('not taken');
      })
      .catch(() => {
        failed += 1;
        sentMs.delete(id);
      });
  };
  const names = [];
  const ask = () => {
    const name = `own-${label}-${names.length}`;
    names.push(name);
    denied.call(METADATA, 12, { topics: [{ name }] }).then(
      ({ topics: [topic] }) => {
        if (topic.errorCode !== REFUSED) failed += 1;
      },
      () => {
        failed += 1;
      },
    );
  };
  const come = () => {
    connect(device)
      .then((client) => client.call(API_VERSIONS, 0, {}).then(() => client.close()))
      .catch(() => {
        failed += 1;
      });
  };
  const timers = [
    setInterval(send, everyMs),
    setInterval(ask, VICTIM_DENIAL_MS),
    setInterval(come, VICTIM_CONNECTION_MS),
  ];
  await new Promise((resolve) => process.once('message', resolve));
  for (const timer of timers) clearInterval(timer);
  isOver = true;
  await receiving;
  // The last answers and the last connections.
  await pause(1000);
  for (const client of [sender, receiver, denied]) client.close();
  process.send({ tookMs, failed, denied: names, connected });
}

async function flood() {
  const { people, strangers, foreign, seconds } = options;
  const endMs = performance.now() + seconds * 1000;
  const isOver = () => performance.now() >= endMs;
  let refused = 0;
  let requests = 0;
  let failedHandshakes = 0;
  let sequence = 0;
  const batch = buildRecordBatch([{ timestampMs: 0, key: null, value: Buffer.from('x') }]);
  const topicNames = () =>
    Array.from({ length: NAMES_IN_A_REQUEST }, () => `not-mine-${sequence++ % 10_000}`);

  /** Each asks for many things at once, and counts what it is refused. */
  const asking = [
    async (client) => {
      const topics = topicNames().map((name) => ({ name }));
      const answer = await client.call(METADATA, 12, { topics });
      return answer.topics.filter(({ errorCode }) => errorCode === REFUSED).length;
    },
    async (client) => {
      const partitionData = [{ index: 0, records: batch }];
      const topicData = topicNames().map((name) => ({ name, partitionData }));
      const answer = await client.call(PRODUCE, 12, { acks: 1, timeoutMs: 30_000, topicData });
      return answer.responses.filter(
        ({ partitionResponses }) => partitionResponses[0].errorCode === REFUSED,
      ).length;
    },
    async (client) => {
      const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }];
      const topics = topicNames().map((topic) => ({ topic, partitions }));
      const answer = await client.call(FETCH, 12, { maxWaitMs: 0, minBytes: 1, topics });
      return answer.responses.filter(
        ({ partitions: [partition] }) => partition.errorCode === REFUSED,
      ).length;
    },
  ];
  const principal = async (person, index) => {
    const client = new Client(await dial(contextOf(person), FLOOD_ADDRESS));
    const lane = async (at) => {
      for (let turn = at; !isOver(); turn += 1) {
        const more = await asking[turn % asking.length](client);
        refused += more;
        requests += 1;
      }
    };
    await Promise.all(Array.from({ length: UNDER_WAY }, (_, at) => lane(index + at)));
    client.close();
  };

  const nobody = contextOf(null);
  const foreigner = contextOf(foreign);
  const garbage = Buffer.alloc(64, 'GET / HTTP/1.1\r\n');
  const stranger = async (index) => {
    const localAddress = `${STRANGER_NETWORK}${(index % 200) + 1}`;
    for (let turn = index; !isOver(); turn += 1) {
      await fail(turn % 3, localAddress);
      failedHandshakes += 1;
    }
  };
  const fail = (kind, localAddress) =>
    new Promise((resolve) => {
      const raw = connectTcp({ host: '127.0.0.1', port, localAddress });
      const done = () => {
        clearTimeout(timer);
        raw.destroy();
        resolve();
      };
      const timer = setTimeout(done, 2000);
      raw.once('close', done);
      raw.on('error', done);
      if (kind === 0) raw.once('connect', () => raw.write(garbage));
      else {
        const secureContext = kind === 1 ? nobody : foreigner;
        const socket = connectTls({
          socket: raw,
          secureContext,
          checkServerIdentity: () => undefined,
        });
        socket.on('error', done);
        socket.once('close', done);
        socket.resume();
      }
    });
  await Promise.all([
    ...people.map(principal),
    ...Array.from({ length: strangers }, (_, index) => stranger(index)),
  ]);
  process.send({ refused, requests, strangers: failedHandshakes });
}

await (options.mode === 'flood' ? flood() : victim());
process.disconnect();
