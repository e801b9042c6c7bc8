/** Owns a worker thread of a bulk issue: makes a batch, and writes it once it is recorded. */
import { parentPort, workerData } from 'node:worker_threads';
import { BulkBatches, type BulkEntry, type BulkJob, type MadeBatch } from './bulk-batch.ts';

export type ToWorker =
  | { readonly type: 'make'; readonly batch: number; readonly entries: readonly BulkEntry[] }
  | { readonly type: 'write'; readonly batch: number; readonly except: readonly string[] };

export type FromWorker =
  | { readonly type: 'made'; readonly batch: number; readonly made: MadeBatch }
  | { readonly type: 'written'; readonly batch: number }
  | { readonly type: 'failed'; readonly message: string };

const port = parentPort;
if (port !== null) {
  const batches = new BulkBatches(workerData as BulkJob);
  const answer = (message: FromWorker): void => port.postMessage(message);
  port.on('message', (request: ToWorker) => {
    try {
      if (request.type === 'make') {
        const made = batches.make(request.batch, request.entries);
        answer({ type: 'made', batch: request.batch, made });
      } else {
        batches.write(request.batch, request.except);
        answer({ type: 'written', batch: request.batch });
      }
    } catch (error) {
      answer({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
    }
  });
}
