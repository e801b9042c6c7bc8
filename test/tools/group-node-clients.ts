/** kafkajs and @platformatic/kafka as members of a consumer group, in this process. */
import { setTimeout as pause } from 'node:timers/promises';
import { Consumer, stringDeserializers } from '@platformatic/kafka';
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

type TextConsumer = Consumer<string, string, string, string>;

/**
 * @platformatic/kafka, used with care. Its streams end with an error when the broker does: then we
 * make a new consumer. What a stream holds from before a rebalance is no longer this member's, and
 * fetches on their way move its position past that: so every generation gets a stream of its own.
 * It is told to retry nothing, because it would commit again, late, as a member of the next
 * generation.
 */
class PlatformaticMember implements ClientMember {
  readonly #place: GroupPlace;
  readonly #deliver: Deliver;
  readonly #complaints: string[] = [];
  #consumer: TextConsumer | undefined;
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
      const consumer = this.#newConsumer();
      this.#consumer = consumer;
      try {
        while (!this.#isLeaving) await this.#consumeGeneration(consumer);
      } catch (error) {
        this.#complaints.push(String(error));
      }
      if (this.#isLeaving) return;
      await this.#end(consumer);
      await pause(AGAIN_AFTER_MS);
    }
  }

  async #end(consumer: TextConsumer): Promise<void> {
    try {
      await consumer.close(true);
    } catch (error) {
      this.#complaints.push(String(error));
    }
  }

  #newConsumer(): TextConsumer {
    const { identity, bootstrap, group, topic } = this.#place;
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
      retries: 0,
    });
    consumer.on('error', (error: Error) => this.#complaints.push(String(error)));
    // Otherwise the end of a stream ends the subscription, and the next stream is a rebalance.
    consumer.topics.track(topic);
    return consumer;
  }

  async #consumeGeneration(consumer: TextConsumer): Promise<void> {
    const stream = await consumer.consume({
      topics: [this.#place.topic],
      mode: 'committed',
      fallbackMode: 'earliest',
      autocommit: false,
    });
    const { generationId } = consumer;
    const end = (): void => void stream.close();
    consumer.once('consumer:group:join', end);
    try {
      for await (const message of stream) {
        if (consumer.generationId !== generationId) return;
        this.#deliver(message.partition, Number(message.offset), message.value);
        await message.commit();
      }
    } finally {
      consumer.off('consumer:group:join', end);
    }
  }
}

export const platformaticMember = async (
  place: GroupPlace,
  deliver: Deliver,
): Promise<ClientMember> => new PlatformaticMember(place, deliver);
