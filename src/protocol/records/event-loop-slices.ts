/** Owns how long work on the event loop is cut up, so that no connection waits for another's batch. */

/** Up to this many bytes a codec runs at once on the event loop; beyond, off it or in slices. */
export const SYNC_BYTES_MAX = 64 * 1024;
/** Bytes handled between two turns of the event loop: a few tenths of a millisecond. */
export const SLICE_BYTES = 256 * 1024;

export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Calls `step` once a turn of the event loop until it returns true. */
export async function runInSlices(step: () => boolean): Promise<void> {
  while (!step()) await nextTurn();
}
