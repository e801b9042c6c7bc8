"""A consumer in a group with kafka-python, of 2.0.2 and of later versions: prints
"PARTITION OFFSET VALUE" for each record, then commits what it has printed, until SIGTERM, when it
leaves the group. A commit that fails is tried with the next records.

Usage: consume.py bootstrap ca.crt client.crt client.key topic group
"""

import signal
import sys

from kafka import KafkaConsumer
from kafka.errors import KafkaError


def connect(bootstrap, ca, certificate, key, topic, group):
    return KafkaConsumer(
        topic,
        group_id=group,
        bootstrap_servers=bootstrap,
        security_protocol="SSL",
        ssl_cafile=ca,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=6000,
        heartbeat_interval_ms=500,
        fetch_max_wait_ms=200,
        reconnect_backoff_max_ms=500,
        retry_backoff_ms=100,
        metadata_max_age_ms=5000,
    )


def consume(consumer, is_ended):
    while not is_ended():
        records = consumer.poll(timeout_ms=200)
        for batch in records.values():
            for record in batch:
                print(record.partition, record.offset, record.value.decode())
        sys.stdout.flush()
        if not records:
            continue
        try:
            consumer.commit()
        except KafkaError as error:
            print("commit:", repr(error), file=sys.stderr, flush=True)


def main():
    signals = []
    signal.signal(signal.SIGTERM, lambda number, _frame: signals.append(number))
    consumer = connect(*sys.argv[1:])
    consume(consumer, lambda: len(signals) > 0)
    consumer.close()


main()
