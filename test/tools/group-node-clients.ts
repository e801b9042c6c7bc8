/** kafkajs and @platformatic/kafka as members of a consumer group, in this process. */
import { setTimeout as pause } from 'node:timers/promises';
import { Consumer, type Message, stringDeserializers } from '@platformatic/kafka';
import { Kafka, logLevel } from 'kafkajs';
import { nodeTlsOptions } from './client-identity.ts';
import type { ClientMember, Deliver, GroupPlace } from './group-clients.ts';

const SESSION_MS = 6000;
const HEARTBEAT_MS = 500;
const AGAIN_AFTER_MS = 200;

/** kafkajs commits by itself: after each batch. */
export async function kafkajsMember(place: GroupPlace, deliver: Deliver): Promise<ClientMember> {
  const { identity, bootstrap, topic, group } = place;
  const complaints: string[] = [];
  const kafka = new Kafka({
    clientId: 'member',
    brokers: [bootstrap],
    ssl: nodeTlsOptions(identity),
    logLevel: logLevel.ERROR,
    logCreator: () => (entry) => void complaints.push(entry.log.message),
    retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 100 },
  });
  const consumer = kafka.consumer({
    groupId: group,
    sessionTimeout: SESSION_MS,
    heartbeatInterval: HEARTBEAT_MS,
    maxWaitTimeInMs: 200,
  });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ partition, message }) => {
      deliver(partition, Number(message.offset), message.value?.toString() ?? '');
    },
  });
  return {
    leave: () => consumer.disconnect(),
    complaints: () => complaints.slice(-20).join('\n'),
  };
}

type TextMessage = Message<string, string, string, string>;

/**
 * @platformatic/kafka: its stream ends with an error when the broker does, and whoever uses it makes
 * a new one. What it still holds from before a rebalance is not this member's any more.
 */
class PlatformaticMember implements ClientMember {
  readonly #place: GroupPlace;
  readonly #deliver: Deliver;
  readonly #complaints: string[] = [];
  #consumer: Consumer<string, string, string, string> | undefined;
  #isLeaving = false;
  readonly #running: Promise<void>;

  constructor(place: GroupPlace, deliver: Deliver) {
    this.#place = place;
    this.#deliver = deliver;
    this.#running = this.#run();
  }

  complaints(): string {
    return this.#complaints.slice(-20).join('\n');
  }

  async leave(): Promise<void> {
    this.#isLeaving = true;
    await this.#consumer?.close(true);
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#isLeaving) {
      this.#consumer = this.#newConsumer();
      try {
        await this.#consume(this.#consumer);
        if (!this.#isLeaving) await this.#consumer.close(true);
      } catch (error) {
        this.#complaints.push(String(error));
      }
      await pause(AGAIN_AFTER_MS);
    }
  }

  #newConsumer(): Consumer<string, string, string, string> {
    const { identity, bootstrap, group } = this.#place;
    const consumer = new Consumer({
      clientId: 'member',
      groupId: group,
      bootstrapBrokers: [bootstrap],
      tls: nodeTlsOptions(identity),
      sessionTimeout: SESSION_MS,
      rebalanceTimeout: SESSION_MS,
      heartbeatInterval: HEARTBEAT_MS,
      deserializers: stringDeserializers,
      maxWaitTime: 200,
      retries: 1,
    });
    consumer.on('error', (error: Error) => this.#complaints.push(String(error)));
    return consumer;
  }

  async #consume(consumer: Consumer<string, string, string, string>): Promise<void> {
    const stream = await consumer.consume({
      topics: [this.#place.topic],
      mode: 'committed',
      fallbackMode: 'earliest',
      autocommit: false,
    });
    for await (const message of stream) await this.#take(consumer, message);
  }

  async #take(consumer: Consumer<string, string, string, string>, message: TextMessage) {
    const { generationId } = message.metadata.consumer as { generationId: number };
    if (generationId !== consumer.generationId) return;
    this.#deliver(message.partition, Number(message.offset), message.value);
    await message.commit();
  }
}

export const platformaticMember = async (
  place: GroupPlace,
  deliver: Deliver,
): Promise<ClientMember> => new PlatformaticMember(place, deliver);
