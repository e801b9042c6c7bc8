/**
 * One tenant's load for bench/neighbour.mjs, in a process of its own: `connections` that either flood
 * (five requests in flight each, as fast as they are answered) or keep a pace (`everyMs` between the
 * requests of a connection, whether or not the last is answered). Options come as one JSON argument;
 * on the message 'take' it sends back what was answered since the last one, on 'stop' it ends.
 */
import { readFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { connect, createSecureContext } from 'node:tls';
import { ApiKey } from '../dist/protocol/api-keys.js';
import { encodeRequest } from '../dist/protocol/headers.js';
import { buildRecordBatch } from '../dist/protocol/records/record-batch-builder.js';

const options = JSON.parse(process.argv[2]);
const IN_FLIGHT = 5;
if (options.niceness !== undefined) setPriority(options.niceness);
const secureContext = createSecureContext({
  ca: readFileSync(options.ca),
  cert: readFileSync(options.cert),
  key: readFileSync(options.key),
});

const PRODUCE_VERSION = 9;
const record = { timestampMs: Date.now(), key: null, value: Buffer.alloc(options.valueBytes, 120) };
const records = buildRecordBatch([record]);
const frameFor = (partition) =>
  Buffer.concat(
    encodeRequest({
      apiKey: ApiKey.Produce,
      apiVersion: PRODUCE_VERSION,
      correlationId: 0,
      clientId: options.clientId,
      body: {
        transactionalId: null,
        acks: -1,
        timeoutMs: 30_000,
        topicData: [{ name: 'telemetry', partitionData: [{ index: partition, records }] }],
      },
    }),
  );
const CORRELATION_AT = 8;
/** size, correlation id, tagged fields, one topic: name, one partition: index, error code. */
const errorAt = 4 + 4 + 1 + 1 + 1 + 'telemetry'.length + 1 + 4;

let tookMs = [];
let failed = 0;

function open(index) {
  const frame = frameFor(index % 6);
  const socket = connect({
    host: '127.0.0.1',
    port: options.port,
    servername: 'localhost',
    secureContext,
    checkServerIdentity: () => undefined,
  });
  const sentMs = [];
  let received = Buffer.alloc(0);
  const send = () => {
    sentMs.push(performance.now());
    frame.writeInt32BE(sentMs.length, CORRELATION_AT);
    socket.write(Buffer.from(frame));
  };
  socket.on('data', (chunk) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    while (received.length >= 4 && received.length >= 4 + received.readInt32BE(0)) {
      const id = received.readInt32BE(4);
      if (received.readInt16BE(errorAt) !== 0) failed++;
      tookMs.push(performance.now() - sentMs[id - 1]);
      received = received.subarray(4 + received.readInt32BE(0));
      if (options.everyMs === undefined) send();
    }
  });
  socket.on('error', () => failed++);
  return new Promise((resolve, reject) => {
    socket.once('close', () => reject(new Error('closed')));
    socket.once('secureConnect', () => resolve(send));
  });
}

const senders = [];
for (let index = 0; index < options.connections; index++) senders.push(await open(index));
senders.forEach((send, index) => {
  if (options.everyMs === undefined) for (let n = 0; n < IN_FLIGHT; n++) send();
  else {
    const offsetMs = (index * options.everyMs) / senders.length;
    setTimeout(() => setInterval(send, options.everyMs), offsetMs);
  }
});
process.send('running');
process.on('message', (message) => {
  if (message === 'stop') process.exit(0);
  process.send({ tookMs, failed });
  tookMs = [];
});
