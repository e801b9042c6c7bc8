/** The thread of audit-query-thread: answers one question after the other. */
import { parentPort, workerData } from 'node:worker_threads';
import { answerer, type FromThread, type Question, textOf } from './audit-query-thread.ts';

interface ToThread {
  readonly id: number;
  readonly question: Question;
}

const port = parentPort;
if (port !== null) {
  const answer = answerer(String(workerData));
  const send = (message: FromThread): void => port.postMessage(message);
  port.on('message', ({ id, question }: ToThread) => {
    answer(question).then(
      (given) => send({ id, answer: given }),
      (error: unknown) => send({ id, answer: null, error: textOf(error) }),
    );
  });
}
