"""Writes a record with confluent-kafka (librdkafka) every 100 ms for so many seconds on one producer,
then reads them back: prints "written N", "read N", and what librdkafka calls an error.

Usage: roundtrip.py client-config.json topic seconds
"""

import json
import sys
import time
import uuid

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

INTERVAL_SECONDS = 0.1
FLUSH_TIMEOUT_SECONDS = 8
READ_TIMEOUT_SECONDS = 20
PARTITION = 0


def report(error):
    print("error:", error, file=sys.stderr, flush=True)


def write(config, topic, seconds, mark):
    producer = Producer({**config, "error_cb": report})
    delivered = []

    def on_delivery(error, message):
        if error is not None:
            report(error)
        else:
            delivered.append(message.value())

    end = time.monotonic() + seconds
    count = 0
    while count == 0 or time.monotonic() < end:
        producer.produce(topic, f"{mark} {count}", partition=PARTITION, on_delivery=on_delivery)
        count += 1
        producer.poll(INTERVAL_SECONDS)
    producer.flush(FLUSH_TIMEOUT_SECONDS)
    print("written", len(delivered), flush=True)
    return len(delivered)


def read(config, topic, expected, mark):
    own = {"group.id": f"svc-{mark}", "enable.auto.commit": False}
    consumer = Consumer({**config, **own, "error_cb": report})
    consumer.assign([TopicPartition(topic, PARTITION, OFFSET_BEGINNING)])
    end = time.monotonic() + READ_TIMEOUT_SECONDS
    found = 0
    while found < expected and time.monotonic() < end:
        message = consumer.poll(0.5)
        if message is None:
            continue
        if message.error() is not None:
            report(message.error())
        elif message.value().decode().startswith(mark):
            found += 1
    consumer.close()
    print("read", found, flush=True)


def main():
    path, topic, seconds = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    mark = uuid.uuid4().hex
    expected = write(config, topic, float(seconds), mark)
    if expected > 0:
        read(config, topic, expected, mark)


main()
